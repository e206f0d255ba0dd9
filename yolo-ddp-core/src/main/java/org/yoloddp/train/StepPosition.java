package org.yoloddp.train;

import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.YoloDdpException;

/** Where a rank is in its training, for messages. Used by the rank's thread. */
final class StepPosition {

    private final Communicator communicator;
    private final RankWatch watch;
    private long step = -1;
    private String operation = "preparing";

    StepPosition(Communicator communicator, RankWatch watch) {
        this.communicator = communicator;
        this.watch = watch;
    }

    void at(long atStep, String atOperation) {
        step = atStep;
        operation = atOperation;
        communicator.progress(atOperation, atStep);
        watch.progress();
    }

    /** Notes that what is going on at this step isn't stuck. */
    void progress() {
        communicator.progress(operation, step);
        watch.progress();
    }

    /** Says of a failure where it happened, unless it says so itself. */
    Throwable explain(Throwable failure, RankContext rank) {
        return failure instanceof YoloDdpException
                ? failure
                : RankFailedException.of(
                        communicator.group(),
                        rank.rank(),
                        GroupContext.localHostId(),
                        ProcessHandle.current().pid(),
                        step,
                        operation,
                        failure);
    }
}
