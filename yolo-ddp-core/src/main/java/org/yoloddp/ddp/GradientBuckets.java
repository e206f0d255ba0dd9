package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;
import org.yoloddp.ddp.BucketLayout.Bucket;
import org.yoloddp.ddp.BucketLayout.Slot;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/**
 * The gradients of one rank, in flat buffers of the communicator.
 *
 * <p>{@code .grad} of each parameter is a view of its bucket, so autograd accumulates straight into
 * what is reduced, over any number of backward passes, and nothing is copied. Buckets start
 * strictly in order. Between its start and the end of its work nothing touches a bucket.
 */
final class GradientBuckets implements AutoCloseable {

    private final Communicator communicator;
    private final BucketLayout layout;
    private final List<NDArray> parameters;
    private final List<CommBuffer> buffers = new ArrayList<>();
    private final TensorList flats;
    private final NDManager manager;
    private final List<Work> running = new ArrayList<>();

    private GradientBuckets(
            Communicator communicator, BucketLayout layout, StateDict state, NDManager parent) {
        this.communicator = communicator;
        this.layout = layout;
        parameters = state.trainable().stream().map(StateDict.Entry::array).toList();
        manager = parent.newSubManager();
        List<NDArray> flat = new ArrayList<>();
        for (Bucket bucket : layout.buckets()) {
            CommBuffer buffer = communicator.allocate(bucket.dtype(), bucket.totalCount());
            buffers.add(buffer);
            NDArray array =
                    ForeignMemory.array(
                            manager,
                            buffer.address(),
                            state.get(bucket.slots().get(0).parameter()).array().getDataType(),
                            buffer.count(),
                            buffer);
            flat.add(array);
            for (Slot slot : bucket.slots()) {
                GradientViews.bind(state.get(slot.parameter()).array(), array, slot.offset());
            }
        }
        flats = TensorList.of(flat);
    }

    static GradientBuckets create(
            Communicator communicator, BucketLayout layout, StateDict state, NDManager parent) {
        return new GradientBuckets(communicator, layout, state, parent);
    }

    /** Fills each bucket with zeros, the flags included. */
    void zero() {
        flats.zero();
    }

    /** Starts the reduction of all buckets, in order. */
    void start(StepFlags flags) {
        for (int i = 0; i < buffers.size(); i++) {
            if (layout.buckets().get(i).flagOffset() >= 0) {
                write(flags);
            }
            running.add(
                    communicator.allReduce(
                            buffers.get(i), ReduceOp.AVG, ComputeStream.HOST, "bucket " + i));
        }
    }

    /**
     * Waits for the buckets that were started.
     *
     * @return the flags that any rank has raised
     */
    StepFlags await() {
        for (Work work : running) {
            work.await(communicator.deadline());
        }
        running.clear();
        return readFlags();
    }

    /**
     * A raised flag is a one, and the average over ranks of ones and zeros is above zero exactly if
     * there is a one, however it is rounded.
     */
    private void write(StepFlags flags) {
        Bucket last = lastBucket();
        ByteBuffer bytes = flagBytes();
        for (int i = 0; i < StepFlags.COUNT; i++) {
            int at = i * last.dtype().bytes();
            switch (last.dtype()) {
                case F64 -> bytes.putDouble(at, flags.get(i) ? 1 : 0);
                case F32 -> bytes.putFloat(at, flags.get(i) ? 1 : 0);
                // One, as the bits of its type.
                case F16 -> bytes.putShort(at, (short) (flags.get(i) ? 0x3c00 : 0));
                case BF16 -> bytes.putShort(at, (short) (flags.get(i) ? 0x3f80 : 0));
                default -> throw new IllegalStateException("gradients of " + last.dtype());
            }
        }
    }

    private StepFlags readFlags() {
        Bucket last = lastBucket();
        ByteBuffer bytes = flagBytes();
        boolean[] raised = new boolean[StepFlags.COUNT];
        for (int i = 0; i < StepFlags.COUNT; i++) {
            int at = i * last.dtype().bytes();
            raised[i] =
                    switch (last.dtype()) {
                        case F64 -> bytes.getDouble(at) > 0;
                        case F32 -> bytes.getFloat(at) > 0;
                        default -> bytes.getShort(at) != 0;
                    };
        }
        return new StepFlags(raised[0], raised[1], raised[2]);
    }

    private Bucket lastBucket() {
        return layout.buckets().get(layout.buckets().size() - 1);
    }

    private ByteBuffer flagBytes() {
        return buffers.get(buffers.size() - 1)
                .slice(lastBucket().flagOffset(), StepFlags.COUNT)
                .bytes()
                .order(ByteOrder.nativeOrder());
    }

    /**
     * Takes the views off the parameters and frees the buckets; those that a failure left in use by
     * other ranks are left to the communicator.
     */
    @Override
    public void close() {
        flats.close();
        parameters.forEach(GradientViews::unbind);
        manager.close();
        if (running.stream().allMatch(work -> work.isDone() && work.failure().isEmpty())) {
            buffers.forEach(CommBuffer::close);
        }
    }
}
