package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.yoloddp.examples.FaultyJob.Result;

/**
 * Holds how a job ended against what befell it: each start that was struck ends with a root cause
 * that names who was struck, and how; all others end well; nobody blames anybody else.
 */
final class ChaosVerdict {

    private static final int KILLED = 137;

    /** How a rank ends whose store no longer answers. */
    private static final Set<String> STORE_GONE =
            Set.of("StoreLostException", "StoreConnectionException");

    private final ChaosPlan plan;
    private final Result result;
    private final List<ToldFailure> told;
    private final Map<Integer, List<RankNote>> struck;
    private final List<RankNote> noticed;
    private final List<RankNote> done;
    private final List<String> wrong = new ArrayList<>();

    ChaosVerdict(ChaosPlan plan, Result result, Path folder) throws IOException {
        this.plan = plan;
        this.result = result;
        this.told = ToldFailure.in(result.output());
        this.struck =
                RankNote.of(folder, "fault").stream()
                        .collect(
                                Collectors.groupingBy(
                                        RankNote::generation, HashMap::new, Collectors.toList()));
        this.noticed = RankNote.of(folder, "noticed");
        this.done = RankNote.of(folder, "done");
    }

    /** What is wrong with it; nothing if all is well. */
    List<String> wrong() {
        for (int generation = 0; generation < told.size(); generation++) {
            ToldFailure failure = told.get(generation);
            if (!isCausedByFault(generation, failure) && !isCausedByBlow(generation, failure)) {
                wrong.add("start " + generation + " is said to have failed of " + failure);
            }
        }
        noticed.forEach(this::checkBlame);
        checkExitCode();
        return wrong;
    }

    private boolean isCausedByFault(int generation, ToldFailure failure) {
        List<RankNote> strikes = struck.getOrDefault(generation, List.of());
        // A rank that goes on is the first to say what it has seen, and not the store.
        boolean nobodyGoesOn =
                strikes.stream().map(RankNote::rank).distinct().count() == plan.ranks();
        if (failure.end().contains("the job's store says") && !nobodyGoesOn) {
            return false;
        }
        return strikes.stream()
                .anyMatch(
                        note ->
                                note.rank() == failure.rank()
                                        && Fault.valueOf(note.words().get(0)).ends(failure.end())
                                        && Long.parseLong(note.words().get(1)) == failure.pid());
    }

    private boolean isBlown(int generation) {
        return result.blown() && plan.blow() != null && plan.blow().generation() == generation;
    }

    private boolean isCausedByBlow(int generation, ToldFailure failure) {
        Blow blow = plan.blow();
        if (blow == null || !isBlown(generation)) {
            return false;
        }
        boolean same = failure.rank() == blow.rank();
        return switch (blow.kind()) {
            case KILL_RANK -> same && Fault.KILL.ends(failure.end());
            case KILL_RANKS -> Fault.KILL.ends(failure.end());
            case TERM_RANK -> same && failure.end().startsWith("was ended by SIGTERM");
            case PAUSE_LAUNCHER ->
                    failure.end()
                            .matches(
                                    "ended with exit code 1; last error line:"
                                            + " Store(Lost|Connection)Exception.*");
            case KILL_LAUNCHER, KILL_ALL, TERM_LAUNCHER, INTERRUPT_TWICE, TERM_ALL -> false;
        };
    }

    /** Whoever was not struck itself says who was. */
    private void checkBlame(RankNote note) {
        int generation = note.generation();
        Blow blow = plan.blow();
        boolean blown = blow != null && isBlown(generation);
        boolean itself =
                struck.getOrDefault(generation, List.of()).stream()
                        .anyMatch(strike -> strike.rank() == note.rank());
        String type = note.words().get(0);
        boolean fine = itself;
        if (type.equals("RankFailedException")) {
            int blamed = Integer.parseInt(note.words().get(1));
            fine |=
                    struck.getOrDefault(generation, List.of()).stream()
                            .anyMatch(strike -> strike.rank() == blamed);
            fine |=
                    blown
                            && blow != null
                            && (blamed == blow.rank()
                                    || blow.kind().endsJob()
                                    || blow.kind() == Blow.Kind.KILL_RANKS
                                    || blow.kind() == Blow.Kind.PAUSE_LAUNCHER
                                            && hasLostStore(generation, blamed));
        } else {
            fine |=
                    blown
                            && blow != null
                            && STORE_GONE.contains(type)
                            && (blow.kind().endsJob() || blow.kind() == Blow.Kind.PAUSE_LAUNCHER);
        }
        if (!fine) {
            wrong.add("rank " + note.rank() + " of start " + generation + " threw " + note.words());
        }
    }

    /** Who comes to a store that goes on again is told of those that have ended meanwhile. */
    private boolean hasLostStore(int generation, int rank) {
        return noticed.stream()
                .anyMatch(
                        note ->
                                note.generation() == generation
                                        && note.rank() == rank
                                        && STORE_GONE.contains(note.words().get(0)));
    }

    private void checkExitCode() {
        int code = result.exitCode();
        Blow blow = plan.blow();
        if (result.blown() && blow != null && endsBy(blow, code)) {
            return;
        }
        int starts =
                1
                        + struck.keySet().stream()
                                .filter(this::hasToFail)
                                .max(Comparator.naturalOrder())
                                .orElse(-1);
        if (told.size() < starts) {
            wrong.add(
                    "only "
                            + told.size()
                            + " failures are told, but "
                            + starts
                            + " starts were struck");
        }
        boolean failed = told.size() > plan.restarts();
        if (code != (failed ? ExitCode.FAILED : ExitCode.DONE)) {
            wrong.add("the exit code is " + code + " after " + told.size() + " failures");
        }
        if (!failed && done.size() < plan.ranks()) {
            wrong.add("only " + done.size() + " ranks have ended well");
        }
    }

    /** Ranks of a host that have lost the store only may be done before it is noticed. */
    private boolean hasToFail(int generation) {
        return struck.getOrDefault(generation, List.of()).stream()
                .anyMatch(note -> !Fault.valueOf(note.words().get(0)).isOfConnections());
    }

    private boolean endsBy(Blow blow, int code) {
        return switch (blow.kind()) {
            case KILL_LAUNCHER, KILL_ALL -> code == KILLED;
            case TERM_LAUNCHER, INTERRUPT_TWICE, TERM_ALL -> code == ExitCode.INTERRUPTED;
            case TERM_RANK -> !plan.foreign() && code == ExitCode.INTERRUPTED;
            case KILL_RANK, KILL_RANKS, PAUSE_LAUNCHER -> false;
        };
    }
}
