package org.yoloddp.nccl;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that wait for something to happen in a group. Whoever waits looks again and again.
 */
final class NcclWaiters {

    private final ConcurrentLinkedQueue<Thread> waiting = new ConcurrentLinkedQueue<>();

    void wake() {
        for (Thread thread : waiting) {
            LockSupport.unpark(thread);
        }
    }

    /** Waits a little, or until something happens. */
    void park(long nanos) {
        waiting.add(Thread.currentThread());
        try {
            LockSupport.parkNanos(this, nanos);
        } finally {
            waiting.remove(Thread.currentThread());
        }
    }
}
