package org.yoloddp.examples;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.testing.SlowCommunicator;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.train.TrainingTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench overlap}. */
@Command(
        name = "overlap",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times a step whose gradients are reduced while backward computes the rest against one"
                    + " that reduces them afterwards, and against ranks that are independent, in"
                    + " blocks in which each has its turn.",
            "With --delay-ms each bucket takes so much longer on a line that costs no processor, as"
                    + " a network would."
        })
final class BenchOverlapCommand implements Callable<Integer> {

    private static final String ON = "overlap on";
    private static final String OFF = "overlap off";

    private final Console console;

    @Mixin private BenchModels models = new BenchModels();

    @Option(names = "--delay-ms", defaultValue = "0", description = "Delay of each bucket.")
    private int delayMillis;

    @Option(names = "--nproc", defaultValue = "2", description = "Ranks.")
    private int ranks;

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

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    BenchOverlapCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        List<BenchReport.Row> rows = new ArrayList<>();
        try (Interruption interruption = new Interruption(console);
                RankGang gang = new RankGang(ranks)) {
            try {
                models.models.forEach(model -> rows.addAll(measure(gang, model)));
            } catch (BenchInterruptedException e) {
                if (interruption.happened()) {
                    return ExitCode.INTERRUPTED;
                }
                throw e;
            }
            BenchReport.of("overlap", Map.of(), rows).print(console, json);
        }
        return ExitCode.DONE;
    }

    private List<BenchReport.Row> measure(RankGang gang, String model) {
        TrainingTask task = models.task(model);
        List<Communicator> on = slowGroup();
        List<Communicator> off = slowGroup();
        Reduction reduction = Reduction.defaults();
        List<VariantBench.Variant> variants =
                List.of(
                        VariantBench.Variant.full(ON, task, threads, on, reduction),
                        VariantBench.Variant.full(
                                OFF, task, threads, off, reduction.withOverlap(false)),
                        VariantBench.Variant.independent(task, threads));
        try {
            Map<String, List<Double>> millis =
                    new VariantBench(blocks, steps, warmUp, warmUpSeconds)
                            .run(gang, variants, Map.of());
            String name =
                    models.describe(model)
                            + ", "
                            + ranks
                            + " ranks"
                            + (delayMillis > 0 ? ", " + delayMillis + " ms more per bucket" : "");
            return List.of(
                    VariantBench.row(name, millis, ON, OFF),
                    VariantBench.row(name, millis, ON, "independent"));
        } finally {
            on.forEach(Communicator::close);
            off.forEach(Communicator::close);
        }
    }

    private List<Communicator> slowGroup() {
        Duration delay = Duration.ofMillis(delayMillis);
        return VariantBench.group(ranks).stream()
                .map(
                        member ->
                                delayMillis == 0
                                        ? member
                                        : SlowCommunicator.around(
                                                member, delay, tag -> tag.startsWith("bucket")))
                .toList();
    }
}
