package org.yoloddp.comm.tcp;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.comm.HelperThread;

/**
 * The thread of one rank that works on operations while the rank computes, and looks after its
 * peers. While something urgent is pending it looks again and again, each time after twice as long,
 * for looking costs the rank a part of its core; it sleeps longer while a thread of the rank waits
 * and does the work itself, and long when there is nothing, or nothing but to take note of what
 * others have ended.
 */
final class Driver {

    private static final long SHORT_NANOS = 50_000;
    private static final long LONG_NANOS = 1_000_000;
    private static final long LONGEST_NANOS = 4_000_000;
    private static final long IDLE_NANOS = 50_000_000;
    private static final long LINGER_NANOS = 2_000_000;

    private final Session session;
    private final HelperThread thread;
    private volatile boolean idle;

    Driver(Session session, String name) {
        this.session = session;
        this.thread = new HelperThread(name, this::run);
    }

    void start() {
        thread.start();
    }

    /** Tells the thread that something is pending. */
    void wake() {
        if (idle) {
            thread.wake();
        }
    }

    /** Waits for the thread's end, which is at most one slice away. */
    void finish(Duration deadline) {
        thread.finish();
        thread.join(deadline);
    }

    private void run() {
        long busy = System.nanoTime();
        long looked = busy;
        long nap = SHORT_NANOS;
        while (!thread.isFinishing()) {
            boolean helped = false;
            boolean pending = false;
            boolean waited = false;
            for (SharedGroup group : session.groups()) {
                if (!group.isUrgent()) {
                    group.drive(true);
                } else {
                    pending = true;
                    waited |= group.waiters.get() > 0;
                    helped |= group.waiters.get() == 0 && group.drive(false);
                }
            }
            long now = System.nanoTime();
            if (now - looked > IDLE_NANOS) {
                session.lookAfterPeers();
                looked = now;
            }
            busy = pending ? now : busy;
            if (helped || !pending) {
                nap = SHORT_NANOS;
            }
            if (!helped) {
                nap(pending, waited ? LONG_NANOS : nap, now - busy < LINGER_NANOS);
                nap = Math.min(2 * nap, LONGEST_NANOS);
            }
        }
    }

    private void nap(boolean pending, long nanos, boolean lingering) {
        if (pending || lingering) {
            LockSupport.parkNanos(this, pending ? nanos : LONG_NANOS);
            return;
        }
        idle = true;
        try {
            if (!thread.isFinishing()
                    && session.groups().stream().noneMatch(SharedGroup::isUrgent)) {
                LockSupport.parkNanos(this, IDLE_NANOS);
            }
        } finally {
            idle = false;
        }
    }
}
