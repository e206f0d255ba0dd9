package org.yoloddp.examples;

import static org.yoloddp.examples.VariantBench.BARRIER_ONLY;
import static org.yoloddp.examples.VariantBench.FULL;
import static org.yoloddp.examples.VariantBench.INDEPENDENT;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.train.TrainingTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench scaling}. */
@Command(
        name = "scaling",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times what data parallelism costs: ranks that are independent of each other, ranks that"
                    + " only wait for each other in each step, with gradients in buckets but without"
                    + " any exchange, and ranks that average their gradients, in blocks in which each way has its turn. Ranks are threads of this"
                    + " JVM, or processes. A ratio is the median over the blocks.",
            "With --rival python the same is done by PyTorch's DistributedDataParallel over gloo, at"
                    + " its best settings, in the same blocks. Packages: see 'bench step'."
        })
final class BenchScalingCommand implements Callable<Integer> {

    private static final String RIVAL = "PyTorch over gloo, ";

    private final Console console;

    @Mixin private BenchOptions options = new BenchOptions();
    @Mixin private BenchModels models = new BenchModels();

    @Option(names = "--nproc", defaultValue = "2", description = "Ranks, as threads.")
    private int ranks;

    @Option(
            names = "--processes",
            description = "Ranks, as processes of this machine, instead of threads.")
    private int processes;

    @Option(names = "--threads", defaultValue = "1", description = "Intra-op threads of a rank.")
    private int threads;

    @Option(names = "--blocks", defaultValue = "9", description = "How often each has its turn.")
    private int blocks;

    @Option(names = "--steps", defaultValue = "10", description = "Timed steps of one turn.")
    private int steps;

    @Option(names = "--warmup", defaultValue = "10", description = "Steps before the first turn.")
    private int warmUp;

    @Option(
            names = "--warmup-seconds",
            defaultValue = "8",
            description = "How long each way at least warms up: the JVM compiles meanwhile.")
    private int warmUpSeconds;

    BenchScalingCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        List<BenchReport.Row> rows = new ArrayList<>();
        Map<String, String> rivalVersions = new LinkedHashMap<>();
        try (Interruption interruption = new Interruption(console)) {
            try {
                for (String model : models.models) {
                    rows.addAll(measure(model, rivalVersions));
                }
            } catch (BenchInterruptedException | RivalException e) {
                if (interruption.happened()) {
                    return ExitCode.INTERRUPTED;
                }
                throw e;
            }
            BenchReport.of("scaling", rivalVersions, rows).print(console, options.json);
        }
        return ExitCode.DONE;
    }

    private List<BenchReport.Row> measure(String model, Map<String, String> rivalVersions) {
        int size = processes > 0 ? processes : ranks;
        String name =
                models.describe(model) + ", " + size + (processes > 0 ? " processes" : " ranks");
        List<BenchReport.Row> rows = new ArrayList<>();
        if (!options.withPython()) {
            Map<String, List<Double>> millis = run(model, Map.of());
            rows.add(VariantBench.row(name, millis, FULL, BARRIER_ONLY));
            rows.add(VariantBench.row(name, millis, FULL, INDEPENDENT));
            return rows;
        }
        List<String> arguments = new ArrayList<>(models.rivalOptions(model));
        arguments.add("--ranks=" + size);
        arguments.add("--threads=" + threads);
        try (TurnProcess rival = options.start("rival_ranks.py", arguments, true)) {
            rivalVersions.putAll(rival.versions());
            List<String> ways = List.of(INDEPENDENT, BARRIER_ONLY, FULL);
            Map<String, Supplier<double[]>> rivals = new LinkedHashMap<>();
            for (String way : ways) {
                rivals.put(RIVAL + way, () -> rival.run(steps + 1, way).millis());
            }
            Map<String, List<Double>> millis = run(model, rivals);
            rows.add(VariantBench.row(name, millis, FULL, BARRIER_ONLY));
            rows.add(VariantBench.row(name, millis, FULL, INDEPENDENT));
            for (String way : ways) {
                rows.add(VariantBench.row(name, millis, way, RIVAL + way));
            }
        }
        return rows;
    }

    private Map<String, List<Double>> run(String model, Map<String, Supplier<double[]>> rivals) {
        VariantBench bench = new VariantBench(blocks, steps, warmUp, warmUpSeconds);
        if (processes > 0) {
            try (ScalingProcesses started =
                    ScalingProcesses.start(processes, models.options(model), threads)) {
                return bench.run(started.ways(), rivals);
            }
        }
        TrainingTask task = models.task(model);
        List<VariantBench.Variant> variants =
                List.of(
                        VariantBench.Variant.independent(task, threads),
                        VariantBench.Variant.barrierOnly(task, threads, ranks),
                        VariantBench.Variant.full(
                                FULL,
                                task,
                                threads,
                                VariantBench.group(ranks),
                                Reduction.defaults()));
        try (RankGang gang = new RankGang(ranks)) {
            return bench.run(gang, variants, rivals);
        }
    }
}
