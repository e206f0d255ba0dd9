package org.yoloddp.comm.tcp;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Work;

/**
 * One rank's view of an operation. Who waits drives the group: then spins a little, gives way a
 * little, and sleeps for short times.
 */
final class TcpWork implements Work {

    private static final long NAP_NANOS = 50_000;

    private final SharedGroup group;
    private final Entry entry;
    private final long expiry;
    private @Nullable CommunicationException mine;

    TcpWork(SharedGroup group, Entry entry) {
        this.group = group;
        this.entry = entry;
        this.expiry = System.nanoTime() + group.session.deadline.toNanos();
    }

    @Override
    public void await(Duration deadline) {
        if (!entry.isDone()) {
            group.waiters.incrementAndGet();
            try {
                waitFor(deadline);
            } finally {
                group.waiters.decrementAndGet();
            }
        }
        CommunicationException failure = entry.failure();
        if (failure != null) {
            throw failure.copy();
        }
    }

    private void waitFor(Duration deadline) {
        long start = System.nanoTime();
        long end = start + Math.min(nanos(deadline), Math.max(0, expiry - start));
        Duration allowed = end == expiry ? group.session.deadline : deadline;
        boolean interrupted = false;
        boolean expired = false;
        boolean told = false;
        long idle = start;
        while (!entry.isDone()) {
            boolean helped = group.drive(false);
            long now = System.nanoTime();
            if (helped) {
                idle = now;
            } else if (!expired && now - end >= 0) {
                group.timeOut(entry, allowed);
                expired = true;
            } else if (now - idle < group.session.spinNanos) {
                Thread.onSpinWait();
            } else if (now - idle < group.session.spinNanos + group.session.yieldNanos) {
                Thread.yield();
            } else {
                if (!told) {
                    group.session.waits(entry.call, true);
                    told = true;
                }
                park();
                interrupted |= Thread.interrupted();
            }
        }
        if (told) {
            group.session.waits(entry.call, false);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void park() {
        entry.enter();
        try {
            if (!entry.isDone()) {
                LockSupport.parkNanos(entry, NAP_NANOS);
            }
        } finally {
            entry.leave();
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
        await(group.session.deadline);
    }

    @Override
    public boolean isDone() {
        if (!entry.isDone()) {
            group.look();
            if (!entry.isDone() && System.nanoTime() - expiry >= 0) {
                group.timeOut(entry, group.session.deadline);
                group.look();
            }
        }
        return entry.isDone();
    }

    @Override
    public boolean whenEnded(Runnable action) {
        entry.whenEnded(action);
        return true;
    }

    @Override
    public synchronized Optional<Throwable> failure() {
        if (mine == null && isDone()) {
            CommunicationException failure = entry.failure();
            mine = failure == null ? null : failure.copy();
        }
        return Optional.ofNullable(mine);
    }
}
