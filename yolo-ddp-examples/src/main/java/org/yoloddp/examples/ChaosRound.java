package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.examples.FaultyJob.Result;
import org.yoloddp.examples.FaultyJob.Setup;

/** One job, what befalls it, and what is wrong with how it ended. */
final class ChaosRound {

    /** Kinds of what must not be. */
    enum Evil {
        HANG("hangs"),
        ORPHAN("orphans"),
        SEGMENT("segments"),
        PORT("ports"),
        FOLDER("folders"),
        END("wrong ends");

        private final String plural;

        Evil(String plural) {
            this.plural = plural;
        }

        String plural() {
            return plural;
        }
    }

    private final ChaosPlan plan;
    private final FaultFolders folders;
    private final Duration limit;
    private final Path folder;
    private final Map<Evil, List<String>> evils = new EnumMap<>(Evil.class);
    private final List<String> outputs = new ArrayList<>();
    private String end = "";
    private Duration time = Duration.ZERO;

    ChaosRound(ChaosPlan plan, FaultFolders folders, Duration limit) throws IOException {
        this.plan = plan;
        this.folders = folders;
        this.limit = limit;
        this.folder = folders.job("round-" + plan.seed());
    }

    /** Runs the job, and if it did not come to its end, once more, undisturbed. */
    void run() throws IOException {
        Result result = launch(plan.faults(), plan.restarts(), plan.stubborn(), plan.blow());
        time = result.time();
        boolean tidy = plan.blow() == null || !plan.blow().kind().endsLauncherAtOnce();
        collect(result, tidy || !result.blown());
        List<String> wrong =
                result.stuck().isEmpty()
                        ? new ChaosVerdict(plan, result, folder).wrong()
                        : List.of();
        wrong.forEach(what -> add(Evil.END, what));
        int failures = ToldFailure.in(result.output()).size();
        end = "exit code " + result.exitCode() + " after " + failures + " failures";
        if (result.exitCode() != ExitCode.DONE) {
            Result resumed = launch(List.of(), 0, -1, null);
            collect(resumed, true);
            FaultFolders.leftSegments(result.processes()).forEach(s -> add(Evil.SEGMENT, s));
            if (resumed.exitCode() != ExitCode.DONE) {
                add(Evil.END, "resumed, the job ended with exit code " + resumed.exitCode());
            }
            end += ", then resumed";
        }
        ToyState state = ToyState.load(folder.resolve("state"));
        if (!state.equals(ToyState.after(ChaosPlan.STEPS, plan.ranks()))) {
            add(Evil.END, "the job came to " + state);
        }
    }

    private Result launch(
            List<PlannedFault> faults, int restarts, int stubborn, @Nullable Blow blow)
            throws IOException {
        FaultyRank.Job job =
                new FaultyRank.Job(
                        folder, ChaosPlan.STEPS, ChaosPlan.PACE_MILLIS, plan.hosts(), faults);
        return new FaultyJob(
                        new Setup(
                                plan.ranks(),
                                restarts,
                                plan.foreign(),
                                job,
                                stubborn,
                                blow,
                                folders.temporary(),
                                limit))
                .run();
    }

    /**
     * Looks for what is left.
     *
     * @param tidy whether the launcher had a chance; if not, the next start has it
     */
    private void collect(Result result, boolean tidy) throws IOException {
        outputs.add(result.output());
        result.stuck().forEach(stacks -> add(Evil.HANG, stacks));
        result.orphans().forEach(stacks -> add(Evil.ORPHAN, stacks));
        result.leftPorts().forEach(port -> add(Evil.PORT, port));
        if (result.listened() == 0 && result.exitCode() == ExitCode.DONE) {
            add(Evil.PORT, "no port was seen at all, so nothing is known of those left");
        }
        if (tidy) {
            folders.leftTemporary().forEach(name -> add(Evil.FOLDER, name));
            FaultFolders.leftSegments(result.processes()).forEach(s -> add(Evil.SEGMENT, s));
        }
    }

    private void add(Evil evil, String what) {
        evils.computeIfAbsent(evil, e -> new ArrayList<>()).add(what);
    }

    Map<Evil, List<String>> evils() {
        return evils;
    }

    Duration time() {
        return time;
    }

    /** In a line, and in more if something is wrong. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(
                "seed "
                        + plan.seed()
                        + ": "
                        + plan
                        + ": "
                        + end
                        + ", "
                        + time.toMillis() / 100 / 10.0
                        + " s"
                        + (evils.isEmpty() ? "" : ": WRONG"));
        evils.forEach((evil, list) -> list.forEach(what -> lines.add("  " + evil + ": " + what)));
        if (!evils.isEmpty()) {
            outputs.forEach(output -> output.lines().forEach(line -> lines.add("  | " + line)));
        }
        return lines;
    }
}
