package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.ReduceOp;
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
    private final List<NDArray> parameters;
    private final List<FlatBucket> buckets = new ArrayList<>();
    private final BucketTail tail;
    private final TensorList flats;
    private final NDManager manager;
    private final List<CommunicationHook.Pending> running = new ArrayList<>();
    private final CommunicationHook averaging;
    private final @Nullable CommunicationHook wanted;
    private CommunicationHook hook;

    private GradientBuckets(
            Communicator communicator,
            BucketLayout layout,
            StateDict state,
            Reduction reduction,
            NDManager parent) {
        this.communicator = communicator;
        parameters = state.trainable().stream().map(StateDict.Entry::array).toList();
        manager = parent.newSubManager();
        for (int i = 0; i < layout.buckets().size(); i++) {
            buckets.add(
                    FlatBucket.create(communicator, i, layout.buckets().get(i), state, manager));
        }
        tail = new BucketTail(buckets.get(buckets.size() - 1));
        flats = TensorList.of(buckets.stream().map(FlatBucket::flat).toList());
        averaging = this::average;
        hook = averaging;
        wanted =
                reduction
                        .communicationHook()
                        .map(f -> f.create(communicator, List.copyOf(buckets), manager))
                        .orElse(null);
    }

    static GradientBuckets create(
            Communicator communicator,
            BucketLayout layout,
            StateDict state,
            Reduction reduction,
            NDManager parent) {
        return new GradientBuckets(communicator, layout, state, reduction, parent);
    }

    private CommunicationHook.Pending average(GradientBucket bucket) {
        return communicator.allReduce(
                        bucket.buffer(),
                        ReduceOp.AVG,
                        ComputeStream.HOST,
                        "bucket " + bucket.index())
                ::await;
    }

    /** Fills each bucket with zeros, the tail included. */
    void zero() {
        flats.zero();
    }

    /** Starts the reduction of all buckets, in order. */
    void start(StepFlags flags) {
        tail.write(flags.bits());
        for (FlatBucket bucket : buckets) {
            running.add(hook.start(bucket));
        }
    }

    /**
     * Waits for the buckets that were started.
     *
     * @return the flags that any rank has raised
     */
    StepFlags await() {
        while (!running.isEmpty()) {
            running.get(0).await(communicator.deadline());
            running.remove(0);
        }
        if (hook == averaging && wanted != null) {
            hook = wanted;
        }
        return StepFlags.of(tail.read());
    }

    void stepSkipped() {
        hook.stepSkipped();
    }

    /**
     * Takes the views off the parameters and frees the buckets; those that a failure left in use by
     * other ranks are left to the communicator.
     */
    @Override
    public void close() {
        if (wanted != null) {
            wanted.close();
        }
        flats.close();
        parameters.forEach(GradientViews::unbind);
        manager.close();
        if (running.isEmpty()) {
            buckets.stream().map(FlatBucket::buffer).forEach(CommBuffer::close);
        }
    }
}
