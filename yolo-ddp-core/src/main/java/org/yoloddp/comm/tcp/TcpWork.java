package org.yoloddp.comm.tcp;

import java.time.Duration;
import org.yoloddp.comm.PendingWork;

/**
 * One rank's view of an operation. Who waits drives the group: then spins a little, gives way a
 * little, and sleeps for short times.
 */
final class TcpWork extends PendingWork {

    private static final long NAP_NANOS = 50_000;

    private final SharedGroup group;
    private final Entry entry;

    TcpWork(SharedGroup group, Entry entry) {
        super(entry, group.session.deadline);
        this.group = group;
        this.entry = entry;
    }

    @Override
    protected Waiting begin() {
        group.waiters.incrementAndGet();
        return new Driving();
    }

    private final class Driving implements Waiting {

        private boolean told;

        @Override
        public boolean help() {
            return group.drive(false);
        }

        @Override
        public void rest(long idleNanos, long leftNanos) {
            if (idleNanos < group.session.spinNanos) {
                Thread.onSpinWait();
            } else if (idleNanos < group.session.spinNanos + group.session.yieldNanos) {
                Thread.yield();
            } else {
                if (!told) {
                    group.session.waits(entry.call, true);
                    told = true;
                }
                entry.park(NAP_NANOS, () -> true);
            }
        }

        @Override
        public void close() {
            group.waiters.decrementAndGet();
            if (told) {
                group.session.waits(entry.call, false);
            }
        }
    }

    @Override
    protected boolean look() {
        group.look();
        if (!entry.isDone()) {
            entry.hurried = true;
            group.session.driver.wake();
        }
        return entry.isDone();
    }

    @Override
    protected void timeOut(Duration waited) {
        group.timeOut(entry, waited);
    }
}
