package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench memory}. */
@Command(
        name = "memory",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Tells the memory of a training by model, in MB: resident before there is a model, while"
                    + " steps are taken, at its peak, the Java heap within it, and what a step had to"
                    + " map anew (page faults). With several ranks"
                    + " also with the optimizer's state sharded. Each case has a JVM of its own; it"
                    + " needs Linux.",
            "With --rival python that of YOLOv5 on PyTorch too, with one rank. Packages: see 'bench"
                    + " step'."
        })
final class BenchMemoryCommand implements Callable<Integer> {

    private static final int WARM_UP = 10;

    private final Console console;

    @Mixin private BenchOptions options = new BenchOptions();

    @Option(
            names = "--cfg",
            split = ",",
            defaultValue = "yolov5n",
            description = "yolov5n, s, m, l or x; several are measured one after the other.")
    private List<String> cfgs = List.of();

    @Option(names = "--imgsz", defaultValue = "320", description = "Width and height of images.")
    private int imageSize;

    @Option(names = "--batch", defaultValue = "8", description = "Images of a rank's step.")
    private int batch;

    @Option(names = "--threads", defaultValue = "1", description = "Intra-op threads of a rank.")
    private int threads;

    @Option(
            names = "--nproc",
            split = ",",
            defaultValue = "1,2",
            description = "Ranks; several numbers are measured one after the other.")
    private List<Integer> ranks = List.of();

    @Option(names = "--turns", defaultValue = "3", description = "How often each has its turn.")
    private int turns;

    @Option(names = "--steps", defaultValue = "5", description = "Steps of one turn.")
    private int steps;

    BenchMemoryCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        List<BenchReport.Row> rows = new ArrayList<>();
        Map<String, String> versions = new LinkedHashMap<>();
        try (Interruption interruption = new Interruption(console)) {
            try {
                for (String cfg : cfgs) {
                    for (int size : ranks) {
                        rows.add(measure(cfg, size, false, versions));
                        if (size > 1) {
                            rows.add(measure(cfg, size, true, versions));
                        }
                    }
                }
            } catch (RivalException e) {
                if (interruption.happened()) {
                    return ExitCode.INTERRUPTED;
                }
                throw e;
            }
            new BenchReport("memory", versions, rows).print(console, options.json);
        }
        return ExitCode.DONE;
    }

    private BenchReport.Row measure(
            String cfg, int size, boolean sharded, Map<String, String> versions) {
        StepBench bench = new StepBench(turns, steps);
        String name =
                String.join(
                        ", ",
                        cfg,
                        imageSize + " px",
                        "batch " + batch,
                        size == 1 ? "1 rank" : size + " ranks" + (sharded ? ", sharded" : ""));
        try (TurnProcess ours = ours(cfg, size, sharded, bench);
                TurnProcess rival = size == 1 && options.withPython() ? rival(cfg) : null) {
            List<StepBench.Contender> all = new ArrayList<>();
            StepBench.Contender mine = new StepBench.Contender(name, ours);
            all.add(mine);
            StepBench.Contender theirs = null;
            if (rival != null) {
                theirs = new StepBench.Contender("YOLOv5 on PyTorch, channels_last", rival);
                all.add(theirs);
            }
            bench.run(all);
            all.forEach(contender -> versions.putAll(contender.process().versions()));
            return row(mine, theirs);
        }
    }

    private static BenchReport.Row row(
            StepBench.Contender mine, StepBench.@Nullable Contender theirs) {
        Map<String, Double> ours = mine.process().memory();
        return theirs == null
                ? BenchReport.Row.alone(mine.name(), mine.median()).withMemory(ours, null)
                : BenchReport.Row.against(
                                mine.name(), mine.median(), theirs.name(), theirs.median())
                        .withMemory(ours, theirs.process().memory());
    }

    private TurnProcess ours(String cfg, int size, boolean sharded, StepBench bench) {
        List<String> more = new ArrayList<>(List.of("--nproc=" + size));
        if (sharded) {
            more.add("--shard-optimizer-state");
        }
        return bench.ours(cfg, imageSize, batch, threads, WARM_UP, more);
    }

    private TurnProcess rival(String cfg) {
        return options.start(
                "rival_step.py",
                List.of(
                        "--cfg=" + cfg,
                        "--imgsz=" + imageSize,
                        "--batch=" + batch,
                        "--boxes=" + BenchTasks.BOXES,
                        "--threads=" + threads,
                        "--channels-last"),
                true);
    }
}
