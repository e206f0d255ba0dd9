package org.yoloddp.comm;

import java.time.Duration;
import java.util.Optional;

/** A collective that was submitted. Thread-safe. */
public interface Work {

    /**
     * Waits until the collective is done on <em>all</em> ranks, so that its buffers may be used
     * again, and that also if it throws. A collective that is not done when the deadline passes, or
     * that has taken longer than the communicator's own deadline since it was submitted, fails the
     * whole group; use {@link #isDone} to look without consequences. An interrupt does not cut the
     * waiting short; the thread's flag is kept.
     *
     * @param deadline how long to wait
     * @throws CollectiveMismatchException if the ranks did not ask for the same
     * @throws RankFailedException if another rank failed or left
     * @throws CollectiveTimeoutException if a rank did not come in time
     */
    void await(Duration deadline);

    /**
     * Makes later work of a stream wait for this collective; for {@link ComputeStream#HOST} this is
     * {@link #await} with the communicator's own deadline. Of a device's stream it returns at once,
     * throws only what is known by then, and a failure that comes later ends the next collective.
     *
     * @param consumer the stream that reads the result
     */
    void orderBefore(ComputeStream consumer);

    /**
     * Tells whether the collective has ended, well or not.
     *
     * @return true once it has ended
     */
    boolean isDone();

    /**
     * Returns why the collective failed.
     *
     * @return the failure, empty while running and after success
     */
    Optional<Throwable> failure();

    /**
     * Lets a watcher know when the collective ends, well or not, so that its time is known although
     * nobody waits for it yet.
     *
     * @param action called once: by the thread that ends the collective, before {@link #isDone}
     *     tells, or at once if it has ended. It must neither block, throw nor call the communicator
     * @return false if this communicator can't tell, so that the action is never called; the
     *     default
     */
    default boolean whenEnded(Runnable action) {
        return false;
    }
}
