package org.yoloddp.detection;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;

/**
 * What each rank found, brought to all ranks: statistics by image and losses by batch. Whole
 * numbers and the bits of floats travel, so nothing is rounded on the way.
 */
final class StatisticsExchange {

    private static final int IMAGE = 0;
    private static final int BATCH = 1;

    private final DetectionEvaluator evaluator;
    private final Map<Integer, float[]> losses = new TreeMap<>();

    StatisticsExchange(DetectionEvaluator evaluator) {
        this.evaluator = evaluator;
    }

    void addLoss(int batch, float[] terms) {
        losses.put(batch, terms);
    }

    /** By batch, on all ranks in the same order. */
    Map<Integer, float[]> losses() {
        return Collections.unmodifiableMap(losses);
    }

    /** Afterwards this rank knows what all ranks found. */
    void exchange(Communicator communicator) {
        if (communicator.size() == 1) {
            return;
        }
        int[] own = encode();
        int rank = communicator.rank();
        long[] counts = new long[communicator.size()];
        Arrays.fill(counts, 1);
        try (CommBuffer buffer = communicator.allocate(DType.I64, counts.length)) {
            bytes(buffer).asLongBuffer().put(rank, own.length);
            communicator
                    .allGather(buffer, counts, ComputeStream.HOST, "validation-lengths")
                    .await(communicator.deadline());
            bytes(buffer).asLongBuffer().get(counts);
        }
        int start = (int) Arrays.stream(counts, 0, rank).sum();
        try (CommBuffer buffer = communicator.allocate(DType.I32, LongStream.of(counts).sum())) {
            bytes(buffer).asIntBuffer().put(start, own);
            communicator
                    .allGather(buffer, counts, ComputeStream.HOST, "validation-statistics")
                    .await(communicator.deadline());
            decode(bytes(buffer).asIntBuffer(), start, start + own.length);
        }
    }

    private static ByteBuffer bytes(CommBuffer buffer) {
        return buffer.bytes().order(ByteOrder.nativeOrder());
    }

    private int[] encode() {
        int size = 0;
        for (ImageStatistics image : evaluator.images()) {
            size += 5 + 3 * image.classes().length;
            size += image.labels().length + image.confusion().length;
        }
        for (float[] terms : losses.values()) {
            size += 3 + terms.length;
        }
        IntBuffer out = IntBuffer.allocate(size);
        for (ImageStatistics image : evaluator.images()) {
            out.put(IMAGE).put(image.image()).put(image.classes().length);
            out.put(image.labels().length).put(image.confusion().length);
            put(out, image.confidences());
            out.put(image.classes()).put(image.truePositives());
            out.put(image.labels()).put(image.confusion());
        }
        losses.forEach((batch, terms) -> put(out.put(BATCH).put(batch).put(terms.length), terms));
        return out.array();
    }

    /** Leaves out this rank's own part, which is here already. */
    private void decode(IntBuffer in, int ownFrom, int ownTo) {
        while (in.hasRemaining()) {
            if (in.position() == ownFrom && ownTo > ownFrom) {
                in.position(ownTo);
            } else if (in.get() == BATCH) {
                int batch = in.get();
                losses.put(batch, floats(in, in.get()));
            } else {
                int image = in.get();
                int detections = in.get();
                int labels = in.get();
                int confusion = in.get();
                evaluator.add(
                        new ImageStatistics(
                                image,
                                floats(in, detections),
                                ints(in, detections),
                                ints(in, detections),
                                ints(in, labels),
                                ints(in, confusion)));
            }
        }
    }

    private static void put(IntBuffer out, float[] values) {
        for (float value : values) {
            out.put(Float.floatToRawIntBits(value));
        }
    }

    private static float[] floats(IntBuffer in, int count) {
        float[] result = new float[count];
        for (int i = 0; i < count; i++) {
            result[i] = Float.intBitsToFloat(in.get());
        }
        return result;
    }

    private static int[] ints(IntBuffer in, int count) {
        int[] result = new int[count];
        in.get(result);
        return result;
    }
}
