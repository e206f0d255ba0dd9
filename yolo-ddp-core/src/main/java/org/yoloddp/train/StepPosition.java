package org.yoloddp.train;

import java.util.stream.IntStream;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.rendezvous.LocalWork;

/**
 * Where a rank is in its training: for messages, and for the others, who are told so that they can
 * tell slow from stuck. Used by the rank's thread.
 */
final class StepPosition {

    private final Communicator communicator;
    private final LocalWork local;
    private final RankWatch watch;
    private long step = -1;
    private String phase = "preparing";

    StepPosition(RankPlace place, Heartbeats limits, RankWatch watch) {
        this.communicator = place.communicator();
        this.local = LocalWork.of(place.store(), communicator.rank(), limits);
        this.watch = watch;
    }

    void at(long atStep, String atPhase) {
        boolean isNew = !atPhase.equals(phase);
        step = atStep;
        phase = atPhase;
        communicator.progress(phase, step);
        watch.progress();
        if (isNew && !isAlone()) {
            local.progress(phase, step);
        }
    }

    /** Goes over to another phase of {@link Heartbeats}, at the same step. */
    void phase(String newPhase) {
        at(step, newPhase);
    }

    /** Notes that what is going on at this step isn't stuck. */
    void progress() {
        communicator.progress(phase, step);
        watch.progress();
        if (!isAlone()) {
            local.progress(phase, step);
        }
    }

    private boolean isAlone() {
        return communicator.size() == 1;
    }

    /** Waits until all ranks have done their part of something. */
    void awaitAll(String what) {
        await(what, "the other ranks", IntStream.range(0, communicator.size()).toArray());
    }

    /** Lets rank 0 do something while the others wait. */
    void onFirst(String what, Runnable work) {
        String before = phase;
        if (communicator.rank() == 0) {
            phase(what);
            work.run();
            phase(before);
        }
        awaitFirst(what);
    }

    /** Waits until rank 0 has done something; rank 0 has. */
    void awaitFirst(String what) {
        await(what, "rank 0", 0);
    }

    private void await(String what, String whom, int... workers) {
        if (isAlone()) {
            return;
        }
        boolean waits = workers.length > 1 || workers[0] != communicator.rank();
        String before = phase;
        if (waits) {
            phase("waiting for " + whom + ": " + what);
        }
        local.await(what, workers);
        phase(before);
    }

    /** Ends the other ranks at once, before anything is closed, which may take its time. */
    void tell(Throwable failure, RankContext rank) {
        watch.failed(Failures.unwrap(explain(failure, rank)));
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
                        phase,
                        failure);
    }
}
