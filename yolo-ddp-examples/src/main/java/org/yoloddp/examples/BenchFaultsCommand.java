package org.yoloddp.examples;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.examples.ChaosRound.Evil;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench faults}. */
@Command(
        name = "faults",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times how long ranks take to know that one of them has failed, and which, for each kind"
                    + " of fault: the slowest survivor's time from the fault until it throws.",
            "With --rounds it launches that many jobs instead, lets something random befall each at"
                    + " a random moment, and looks whether each ends as it should, or goes on after a"
                    + " restart, and leaves nothing behind: no process, no segment of shared memory,"
                    + " no port, no temporary file. A round that does not is printed with all that"
                    + " is known of it, and the exit code is 1; --rounds 1 --seed N repeats round N.",
            "Linux only."
        })
final class BenchFaultsCommand implements Callable<Integer> {

    private final Console console;

    @Option(names = "--nproc", defaultValue = "3", description = "How many ranks are timed.")
    private int ranks;

    @Option(
            names = "--faults",
            split = ",",
            description =
                    "Which are timed: ${COMPLETION-CANDIDATES}; all, and the launcher's death, if"
                            + " none is given.")
    private List<Fault> faults = new ArrayList<>();

    @Option(names = "--turns", defaultValue = "3", description = "How often each is timed.")
    private int turns;

    @Option(
            names = "--rounds",
            defaultValue = "0",
            description = "How many jobs are launched for something random to befall them.")
    private int rounds;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "Of the first round; each has the next number.")
    private long seed;

    @Option(
            names = "--limit",
            defaultValue = "120",
            description = "Seconds after which a job hangs.")
    private long limitSeconds;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    BenchFaultsCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        if (!MarkedProcesses.isPossible()) {
            throw new ConfigurationException(
                    "bench faults follows processes by /proc, which this system lacks; run it on"
                            + " Linux");
        }
        try (FaultFolders folders = FaultFolders.create()) {
            List<BenchReport.Row> rows = rounds > 0 ? chaos(folders) : times(folders);
            if (json || rounds == 0) {
                BenchReport.of("faults", Map.of(), rows).print(console, json);
            }
        }
        return ExitCode.DONE;
    }

    private List<BenchReport.Row> times(FaultFolders folders) throws IOException {
        FaultTimes times = new FaultTimes(folders, ranks, Duration.ofSeconds(limitSeconds));
        List<BenchReport.Row> rows = new ArrayList<>();
        for (Fault fault : faults.isEmpty() ? List.of(Fault.values()) : faults) {
            List<Double> millis = new ArrayList<>();
            for (int turn = 0; turn < turns; turn++) {
                millis.add(times.run(fault, turn));
            }
            rows.add(row(fault.label() + ", slowest survivor", millis));
        }
        if (faults.isEmpty()) {
            List<Double> millis = new ArrayList<>();
            for (int turn = 0; turn < turns; turn++) {
                millis.add(times.runWithoutLauncher(turn));
            }
            rows.add(row("kill -9 of the launcher, until all processes have ended", millis));
        }
        return rows;
    }

    private BenchReport.Row row(String name, List<Double> millis) {
        return BenchReport.Row.alone(ranks + " ranks, " + name, BenchReport.median(millis));
    }

    private List<BenchReport.Row> chaos(FaultFolders folders) throws IOException {
        List<BenchReport.Row> rows = new ArrayList<>();
        Map<Evil, Integer> evils = new EnumMap<>(Evil.class);
        int bad = 0;
        for (int round = 0; round < rounds; round++) {
            ChaosPlan plan = ChaosPlan.of(seed + round);
            ChaosRound job = new ChaosRound(plan, folders, Duration.ofSeconds(limitSeconds));
            job.run();
            job.evils().forEach((evil, list) -> evils.merge(evil, list.size(), Integer::sum));
            bad += job.evils().isEmpty() ? 0 : 1;
            rows.add(
                    BenchReport.Row.alone(
                            "seed " + plan.seed() + ": " + plan, job.time().toNanos() / 1e6));
            if (!json) {
                job.lines().forEach(console::print);
            } else if (!job.evils().isEmpty()) {
                job.lines().forEach(console.err()::println);
            }
        }
        if (!json) {
            console.print(summary(evils));
        }
        if (bad > 0) {
            throw FaultsException.left(bad, rounds, seed);
        }
        return rows;
    }

    private String summary(Map<Evil, Integer> evils) {
        List<String> parts = new ArrayList<>();
        for (Evil evil : Evil.values()) {
            parts.add(evils.getOrDefault(evil, 0) + " " + evil.plural());
        }
        return rounds + " rounds: " + String.join(", ", parts);
    }
}
