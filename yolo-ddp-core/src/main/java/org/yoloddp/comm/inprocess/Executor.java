package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** The thread of one rank that works on operations while the rank computes. */
final class Executor {

    private static final long NAP_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final Group group;
    private final Thread thread;
    private volatile boolean finishing;

    Executor(Group group, int rank) {
        this.group = group;
        this.thread = new Thread(this::run, "yolo-ddp-" + group.name + "-" + rank);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    void wake() {
        LockSupport.unpark(thread);
    }

    void finish() {
        finishing = true;
        wake();
    }

    /** Waits for the thread's end, which is at most one slice away. */
    void join(Duration deadline) {
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
    }

    private void run() {
        while (!finishing) {
            if (!group.help(false) && !finishing && !group.hasWork()) {
                LockSupport.parkNanos(group, NAP_NANOS);
            }
        }
    }
}
