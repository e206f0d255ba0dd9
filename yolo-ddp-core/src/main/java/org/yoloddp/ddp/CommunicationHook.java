package org.yoloddp.ddp;

import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.List;
import org.yoloddp.comm.Communicator;

/**
 * Replaces the averaging of a bucket, for instance by one that sends less. The counterpart of
 * PyTorch's DDP communication hooks.
 *
 * <p>Each rank has an instance of its own, made once the final layout of the buckets is known: the
 * first step, in which the order of gradients is observed, is averaged plainly. All ranks use the
 * same kind of hook. One that averages plainly:
 *
 * <pre>{@code
 * Reduction.defaults()
 *         .withCommunicationHook(
 *                 (communicator, buckets, manager) ->
 *                         bucket ->
 *                                 communicator.allReduce(
 *                                                 bucket.buffer(),
 *                                                 ReduceOp.AVG,
 *                                                 bucket.stream(),
 *                                                 "bucket " + bucket.index())
 *                                         ::await);
 * }</pre>
 *
 * <p>Calls come one after the other, but not all from the same thread: each sees what those before
 * it have done. Operations on arrays are not recorded for backward while they run.
 */
@FunctionalInterface
public interface CommunicationHook extends AutoCloseable {

    /**
     * Tells by what the loss was multiplied, and with it the gradients, from the next step on: a
     * hook that keeps gradients from step to step divides them by it, since it changes. Called on
     * the rank's thread between steps; 1 until it is.
     *
     * @param scale the factor, finite and above 0
     */
    default void lossScale(double scale) {}

    /**
     * Starts the reduction of a bucket. Called once per bucket and step, in the order of the
     * buckets: on autograd's thread while backward goes on, or on the rank's. It must not block,
     * submits the same collectives in the same order on all ranks, and fails all ranks if it
     * throws.
     *
     * @param bucket holds this rank's sums; nobody else touches it until the pending work is done
     * @return the pending work
     */
    Pending start(GradientBucket bucket);

    /**
     * Takes back what the last step did to this hook's own state, because the optimizer has skipped
     * the step for gradients that are not finite. Called on the rank's thread, on all ranks alike.
     */
    default void stepSkipped() {}

    /** Frees what the hook holds; all its pending work is done by then. */
    @Override
    default void close() {}

    /** The reduction of a bucket that was started. */
    @FunctionalInterface
    interface Pending {

        /**
         * Waits until the bucket holds the average over the ranks; on a GPU it is enough that what
         * this thread queues from now on finds it ({@code work.orderBefore(bucket.stream())}), and
         * better, since the host need not wait for the device. Called once, on the rank's thread,
         * in the order of the buckets and not before all buckets of the step have been started; may
         * submit further collectives, in an order that is the same on all ranks. Afterwards nobody
         * touches the bucket any more, and that also if it throws.
         *
         * @param deadline how long each collective may take
         * @throws org.yoloddp.comm.CommunicationException if the group failed
         */
        void await(Duration deadline);
    }

    /** Makes the hook of a rank. */
    @FunctionalInterface
    interface Factory {

        /**
         * Makes a hook.
         *
         * @param communicator the group whose ranks train together
         * @param buckets all buckets, in order
         * @param manager the parent of the arrays that the hook makes; closed after the hook
         * @return the hook, closed by the caller
         */
        CommunicationHook create(
                Communicator communicator, List<GradientBucket> buckets, NDManager manager);
    }
}
