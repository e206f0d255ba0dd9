package org.yoloddp.nccl;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * The threads that wait for something to happen in a group. Whoever waits looks again and again.
 */
final class NcclWaiters {

    private static final long NAP_NANOS = 100_000;

    private final ConcurrentLinkedQueue<Thread> waiting = new ConcurrentLinkedQueue<>();

    void wake() {
        for (Thread thread : waiting) {
            LockSupport.unpark(thread);
        }
    }

    /** Waits a little, or until something happens. */
    void park() {
        waiting.add(Thread.currentThread());
        try {
            LockSupport.parkNanos(this, NAP_NANOS);
        } finally {
            waiting.remove(Thread.currentThread());
        }
    }

    /**
     * Waits for something; an interrupt does not cut that short, and the flag is kept.
     *
     * @return false if it has not come in that time
     */
    boolean await(long nanos, BooleanSupplier done) {
        long start = System.nanoTime();
        boolean interrupted = false;
        boolean come = done.getAsBoolean();
        while (!come && System.nanoTime() - start < nanos) {
            park();
            interrupted |= Thread.interrupted();
            come = done.getAsBoolean();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return come;
    }
}
