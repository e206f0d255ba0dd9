package org.yoloddp.comm;

import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What the works of communicators have in common: waiting with a deadline, which an interrupt does
 * not cut short, and telling the end. Thread-safe if {@link #look} and {@link #timeOut} are.
 */
public abstract class PendingWork implements Work {

    private final Completion end;
    private final Duration limit;
    private final long expiry;
    private @Nullable CommunicationException mine;

    /** How a thread waits. */
    public interface Waiting extends AutoCloseable {

        /**
         * Does something useful, if there is anything to do.
         *
         * @return false if there was not
         */
        boolean help();

        /**
         * Lets a little time pass.
         *
         * @param idleNanos for how long there has been nothing to do
         * @param leftNanos how long there is until the deadline; negative once that has passed
         */
        void rest(long idleNanos, long leftNanos);

        /** Ends the waiting. */
        @Override
        default void close() {}
    }

    /**
     * Creates the work of an operation that begins now.
     *
     * @param end its end
     * @param limit the longest that it may take
     */
    protected PendingWork(Completion end, Duration limit) {
        this.end = end;
        this.limit = limit;
        this.expiry = System.nanoTime() + nanos(limit);
    }

    /**
     * Begins to wait for the end.
     *
     * @return how the thread waits
     */
    protected abstract Waiting begin();

    /**
     * Sees whether the operation has ended meanwhile, where nobody else does.
     *
     * @return whether it has
     */
    protected abstract boolean look();

    /**
     * Fails the group because the operation has not ended in time, if it still has not.
     *
     * @param waited how long it was waited for
     */
    protected abstract void timeOut(Duration waited);

    /**
     * Tells whether the operation has taken longer than it may.
     *
     * @return true once its time is over, ended or not
     */
    protected final boolean isLate() {
        return System.nanoTime() - expiry >= 0;
    }

    /**
     * Returns the longest that the operation may take.
     *
     * @return the communicator's deadline
     */
    protected final Duration limit() {
        return limit;
    }

    @Override
    public final void await(Duration deadline) {
        if (!end.isDone()) {
            waitFor(deadline);
        }
        throwFailure();
    }

    private void waitFor(Duration deadline) {
        long start = System.nanoTime();
        long until = start + Math.min(nanos(deadline), Math.max(0, expiry - start));
        Duration allowed = until == expiry ? limit : deadline;
        boolean interrupted = false;
        boolean expired = false;
        long idle = start;
        try (Waiting waiting = begin()) {
            while (!end.isDone()) {
                boolean helped = waiting.help();
                long now = System.nanoTime();
                if (helped) {
                    idle = now;
                } else if (!expired && now - until >= 0) {
                    timeOut(allowed);
                    expired = true;
                } else {
                    waiting.rest(now - idle, until - now);
                    interrupted |= Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Throws what the operation has failed of, if it has. */
    protected final void throwFailure() {
        CommunicationException cause = end.failure();
        if (cause != null) {
            throw cause.copy();
        }
    }

    private static long nanos(Duration duration) {
        try {
            return Math.max(0, duration.toNanos());
        } catch (ArithmeticException e) {
            return Long.MAX_VALUE / 2;
        }
    }

    @Override
    public void orderBefore(ComputeStream consumer) {
        await(limit);
    }

    @Override
    public final boolean isDone() {
        if (!end.isDone() && !look() && isLate()) {
            timeOut(limit);
            look();
        }
        return end.isDone();
    }

    @Override
    public final boolean whenEnded(Runnable action) {
        end.whenEnded(action);
        return true;
    }

    @Override
    public final synchronized Optional<Throwable> failure() {
        if (mine == null && isDone()) {
            CommunicationException cause = end.failure();
            mine = cause == null ? null : cause.copy();
        }
        return Optional.ofNullable(mine);
    }
}
