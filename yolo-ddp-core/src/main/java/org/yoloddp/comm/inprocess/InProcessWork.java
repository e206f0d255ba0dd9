package org.yoloddp.comm.inprocess;

import java.time.Duration;
import org.yoloddp.comm.PendingWork;

/** One rank's view of an operation. Who waits helps, then spins a little, then parks. */
final class InProcessWork extends PendingWork implements PendingWork.Waiting {

    private final Group group;
    private final Op op;
    private final int rank;

    InProcessWork(Group group, Op op, int rank) {
        super(op, group.family.deadline);
        this.group = group;
        this.op = op;
        this.rank = rank;
    }

    @Override
    protected Waiting begin() {
        return this;
    }

    @Override
    public boolean help() {
        return group.help(false);
    }

    @Override
    public void rest(long idleNanos, long leftNanos) {
        if (idleNanos < group.family.spinNanos) {
            Thread.onSpinWait();
        } else {
            // After its end only the last running slices are waited for, which wake us.
            op.park(leftNanos < 0 ? 1_000_000_000L : leftNanos, () -> !group.hasWork());
        }
    }

    /** The operation ends for all its ranks by whoever does its last slice. */
    @Override
    protected boolean look() {
        return op.isDone();
    }

    @Override
    protected void timeOut(Duration waited) {
        group.timeOut(rank, op, waited);
    }
}
