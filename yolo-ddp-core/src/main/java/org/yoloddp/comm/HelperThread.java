package org.yoloddp.comm;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A daemon thread of a communicator, which looks whether it is to finish. Thread-safe. */
public final class HelperThread {

    private final Thread thread;
    private volatile boolean finishing;

    /**
     * Creates a thread, not started.
     *
     * @param name its name
     * @param body what it does
     */
    public HelperThread(String name, Runnable body) {
        this.thread = new Thread(body, name);
        thread.setDaemon(true);
    }

    /** Starts it. */
    public void start() {
        thread.start();
    }

    /** Wakes it if it is parked, or lets it not park the next time. */
    public void wake() {
        LockSupport.unpark(thread);
    }

    /** Asks it to finish. */
    public void finish() {
        finishing = true;
        wake();
    }

    /**
     * Tells it to finish.
     *
     * @return true once it has been asked to
     */
    public boolean isFinishing() {
        return finishing;
    }

    /**
     * Waits for its end; an interrupt does not cut that short, and the flag is kept. Returns at
     * once on the thread itself, and if it was never started.
     *
     * @param deadline the longest to wait
     * @return whether it has ended, or was never started
     */
    public boolean join(Duration deadline) {
        boolean interrupted = Thread.interrupted();
        long end = System.nanoTime() + deadline.toNanos();
        long left = deadline.toNanos();
        while (thread.isAlive() && left > 0 && thread != Thread.currentThread()) {
            try {
                TimeUnit.NANOSECONDS.timedJoin(thread, left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
            left = end - System.nanoTime();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !thread.isAlive();
    }
}
