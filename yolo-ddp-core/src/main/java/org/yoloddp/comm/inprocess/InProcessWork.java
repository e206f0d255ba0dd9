package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Work;

/** One rank's view of an operation. Who waits helps, then spins a little, then parks. */
final class InProcessWork implements Work {

    private final Group group;
    private final Op op;
    private final int rank;
    private final long expiry;
    private @Nullable CommunicationException mine;

    InProcessWork(Group group, Op op, int rank) {
        this.group = group;
        this.op = op;
        this.rank = rank;
        this.expiry = System.nanoTime() + group.family.deadline.toNanos();
    }

    @Override
    public void await(Duration deadline) {
        if (!op.isDone()) {
            waitFor(deadline);
        }
        CommunicationException failure = op.failure();
        if (failure != null) {
            throw failure.copy();
        }
    }

    private void waitFor(Duration deadline) {
        long start = System.nanoTime();
        long end = start + Math.min(nanos(deadline), Math.max(0, expiry - start));
        Duration allowed = end == expiry ? group.family.deadline : deadline;
        boolean interrupted = false;
        long spinUntil = start + group.family.spinNanos;
        boolean expired = false;
        while (!op.isDone()) {
            if (group.help(false)) {
                spinUntil = System.nanoTime() + group.family.spinNanos;
                continue;
            }
            long now = System.nanoTime();
            if (!expired && now - end >= 0) {
                group.timeOut(rank, op, allowed);
                expired = true;
            } else if (now - spinUntil < 0) {
                Thread.onSpinWait();
            } else {
                // After its end only the last running slices are waited for, which wake us.
                park(expired ? 1_000_000_000L : end - now);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void park(long nanos) {
        op.enter();
        try {
            if (!op.isDone() && !group.hasWork()) {
                LockSupport.parkNanos(op, nanos);
            }
        } finally {
            op.leave();
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
        await(group.family.deadline);
    }

    @Override
    public boolean isDone() {
        if (!op.isDone() && System.nanoTime() - expiry >= 0) {
            group.timeOut(rank, op, group.family.deadline);
        }
        return op.isDone();
    }

    @Override
    public boolean whenEnded(Runnable action) {
        op.whenEnded(action);
        return true;
    }

    @Override
    public synchronized Optional<Throwable> failure() {
        if (mine == null && isDone()) {
            CommunicationException failure = op.failure();
            mine = failure == null ? null : failure.copy();
        }
        return Optional.ofNullable(mine);
    }
}
