package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.examples.FaultyJob.Result;
import org.yoloddp.examples.FaultyJob.Setup;

/** How long the ranks that are left take to know of a fault, and whom to blame. */
final class FaultTimes {

    /** Long enough for everybody's code to be warm, and for heartbeats to have come. */
    private static final long STEP = 40;

    private static final long FOR_EVER = 1_000_000;
    private static final long PACE_MILLIS = 10;

    private final FaultFolders folders;
    private final int ranks;
    private final Duration limit;

    FaultTimes(FaultFolders folders, int ranks, Duration limit) {
        this.folders = folders;
        this.ranks = ranks;
        this.limit = limit;
    }

    /** The slowest survivor's time, in milliseconds, from the fault until it threw. */
    double run(Fault fault, int turn) throws IOException {
        int failing = turn % ranks;
        PlannedFault planned = new PlannedFault(fault, failing, STEP, 0);
        Path folder = folders.job(fault.name() + "-" + turn);
        Result result = launch(folder, List.of(planned), null);
        check(result.stuck().isEmpty(), planned, "it hung", result);
        List<RankNote> struck = RankNote.of(folder, "fault");
        check(struck.size() == 1, planned, "the fault did not strike", result);
        List<ToldFailure> told = ToldFailure.in(result.output());
        check(
                told.size() == 1 && told.get(0).rank() == failing && fault.ends(told.get(0).end()),
                planned,
                "the launcher told " + told,
                result);
        double slowest = 0;
        int survivors = 0;
        for (RankNote noticed : RankNote.of(folder, "noticed")) {
            if (noticed.rank() == failing) {
                continue;
            }
            List<String> words = noticed.words();
            check(
                    words.get(0).equals("RankFailedException")
                            && words.get(1).equals(Integer.toString(failing))
                            && words.get(2).equals(struck.get(0).words().get(1)),
                    planned,
                    "rank " + noticed.rank() + " threw " + words,
                    result);
            survivors++;
            slowest = Math.max(slowest, (noticed.micros() - struck.get(0).micros()) / 1e3);
        }
        check(survivors == ranks - 1, planned, survivors + " ranks threw", result);
        return slowest;
    }

    /** The time from the launcher's death until no process of the job is left. */
    double runWithoutLauncher(int turn) throws IOException {
        Blow blow = new Blow(Blow.Kind.KILL_LAUNCHER, turn % ranks, 0, 2500);
        Path folder = folders.job(blow.kind().name() + "-" + turn);
        Result result = launch(folder, List.of(), blow);
        check(result.blown() && result.orphans().isEmpty(), blow, "ranks were left", result);
        return result.untilAllEnded().toNanos() / 1e6;
    }

    private Result launch(Path folder, List<PlannedFault> faults, @Nullable Blow blow)
            throws IOException {
        FaultyRank.Job job = new FaultyRank.Job(folder, FOR_EVER, PACE_MILLIS, 1, faults);
        return new FaultyJob(new Setup(ranks, 0, false, job, -1, blow, folders.temporary(), limit))
                .run();
    }

    private static void check(boolean fine, Object fault, String what, Result result) {
        if (!fine) {
            List<String> details = new ArrayList<>(result.stuck());
            details.addAll(result.orphans());
            throw FaultsException.wrong(fault.toString(), what, result.output(), details);
        }
    }
}
