package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.ddp.GradientBucket.Slot;
import org.yoloddp.ddp.PowerSgdMatrix.Place;
import org.yoloddp.ddp.PowerSgdMatrix.Size;
import org.yoloddp.torch.TensorList;

/**
 * The gradients of one bucket, some of them approximated.
 *
 * <p>Two buffers are averaged. The first holds P of each matrix, then all gradients that are
 * averaged exactly and the tail; the second holds Q of each matrix. P and Q lie vector by vector,
 * that is transposed: P is Q Mᵀ, Q is P M and M is Pᵀ Q.
 *
 * <p>What the next step begins with is kept apart from what this step began with, so a step that is
 * skipped has changed nothing: two lists of errors that change places, and Q as it was at the
 * beginning beside the averaged one.
 */
final class PowerSgdBucket implements AutoCloseable {

    private final PowerSgd options;
    private final HookWorks works;
    private final String tag;
    private final CommBuffer first;
    private final CommBuffer second;
    private final List<PowerSgdMatrix> matrices = new ArrayList<>();
    private final TensorList approximated;
    private final TensorList exact;
    private final TensorList exactInFirst;

    /** What the last approximation lacked, free of the loss scale. */
    private TensorList errors;

    /** What this step's approximation is to be: gradients and errors; then what it lacked. */
    private TensorList inputs;

    private double lossScale = 1;

    /** Whether the last step's Q and what it lacked are there to go on with. */
    private boolean complete;

    private CommunicationHook.Pending average = deadline -> {};

    /** Some elements of a flat array. */
    private record Range(long offset, long count) {}

    PowerSgdBucket(
            PowerSgd options,
            GradientBucket bucket,
            HookWorks works,
            NDManager manager,
            RandomMatrices random) {
        this.options = options;
        this.works = works;
        tag = "bucket " + bucket.index();
        List<Slot> slots = new ArrayList<>();
        List<Range> kept = new ArrayList<>();
        long pCount = 0;
        long qCount = 0;
        for (Slot slot : bucket.slots()) {
            Size size = Size.of(options, slot);
            if (size.rank() > 0) {
                slots.add(slot);
                pCount += size.pCount();
                qCount += size.qCount();
            } else {
                kept.add(new Range(slot.offset(), slot.count()));
            }
        }
        if (bucket.tailCount() > 0) {
            kept.add(new Range(bucket.tailOffset(), bucket.tailCount()));
        }
        first = works.allocate(DType.F32, pCount + total(kept));
        second = works.allocate(DType.F32, qCount);
        NDArray firstArray = works.array(manager, first, DataType.FLOAT32);
        NDArray secondArray = works.array(manager, second, DataType.FLOAT32);
        FloatBuffer firstElements = elements(first);
        FloatBuffer secondElements = elements(second);
        long p = 0;
        long q = 0;
        for (Slot slot : slots) {
            Size size = Size.of(options, slot);
            matrices.add(
                    new PowerSgdMatrix(
                            options,
                            slot,
                            size,
                            bucket.flat(),
                            new Place(firstArray, firstElements, p),
                            new Place(secondArray, secondElements, q),
                            random,
                            manager));
            p += size.pCount();
            q += size.qCount();
        }
        List<Range> ranges =
                slots.stream().map(slot -> new Range(slot.offset(), slot.count())).toList();
        approximated = views(bucket.flat(), ranges);
        exact = views(bucket.flat(), kept);
        exactInFirst = views(firstArray, packed(kept, pCount));
        List<Range> remembered = options.errorFeedback() ? packed(ranges, 0) : List.of();
        errors = views(manager.zeros(new Shape(total(remembered))), remembered);
        inputs = views(manager.zeros(new Shape(total(remembered))), remembered);
    }

    /** Tells whether anything in a bucket is worth approximating. */
    static boolean gains(PowerSgd options, GradientBucket bucket) {
        return bucket.buffer().dtype() == DType.F32
                && bucket.slots().stream().anyMatch(slot -> Size.of(options, slot).rank() > 0);
    }

    /** How many elements a rank sends. */
    long sentCount() {
        return first.count() + second.count();
    }

    /** Adds what the last approximation lacked, and starts to average P and what stays exact. */
    void start(long step, double scale) {
        lossScale = scale;
        if (options.errorFeedback()) {
            if (complete) {
                TensorList lacked = inputs;
                inputs = errors;
                errors = lacked;
            }
            approximated.add(errors, scale);
            inputs.copyFrom(approximated);
        }
        for (PowerSgdMatrix matrix : matrices) {
            matrix.computeP(step, complete);
        }
        complete = false;
        exactInFirst.copyFrom(exact);
        average = works.average(first, tag + " P");
    }

    /** Waits for P and starts to average Q. */
    void startSecondHalf(Duration deadline) {
        average.await(deadline);
        matrices.forEach(PowerSgdMatrix::computeQ);
        average = works.average(second, tag + " Q");
    }

    /** Waits for Q and puts the averages into the bucket. */
    void finish(Duration deadline) {
        average.await(deadline);
        matrices.forEach(PowerSgdMatrix::restore);
        exact.copyFrom(exactInFirst);
        if (options.errorFeedback()) {
            inputs.add(approximated, -1);
            inputs.scale(1 / lossScale);
        }
        complete = true;
    }

    void stepSkipped() {
        complete = false;
    }

    private static @Nullable FloatBuffer elements(CommBuffer buffer) {
        return buffer.device().isHost() ? buffer.bytes().asFloatBuffer() : null;
    }

    private static long total(List<Range> ranges) {
        return ranges.stream().mapToLong(Range::count).sum();
    }

    /** The same ranges one behind the other. */
    private static List<Range> packed(List<Range> ranges, long offset) {
        List<Range> packed = new ArrayList<>();
        long end = offset;
        for (Range range : ranges) {
            packed.add(new Range(end, range.count()));
            end += range.count();
        }
        return packed;
    }

    private static TensorList views(NDArray flat, List<Range> ranges) {
        List<NDArray> parts = new ArrayList<>();
        for (Range range : ranges) {
            parts.add(flat.get("{}:{}", range.offset(), range.offset() + range.count()));
        }
        TensorList list = TensorList.of(parts);
        parts.forEach(NDArray::close);
        return list;
    }

    @Override
    public void close() {
        matrices.forEach(PowerSgdMatrix::close);
        List.of(approximated, exact, exactInFirst, errors, inputs).forEach(TensorList::close);
    }
}
