package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench step}. */
@Command(
        name = "step",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times one training step: forward, loss, backward, clipping, SGD with nesterov momentum,"
                    + " moving average of the weights; on noise with random boxes.",
            "With --rival python the same step of YOLOv5 on PyTorch is taken in turns with ours: as"
                    + " shipped (float32, as its CPU training is), and at its best settings"
                    + " (channels_last, bfloat16 where ours is, and the allocator set up as"
                    + " bin/yolo-ddp does). It needs a Python with packages that"
                    + " 'python3 python/rival_step.py --help' names, in the program's folder."
        })
final class BenchStepCommand implements Callable<Integer> {

    /** Which precisions of ours to measure. */
    enum Amp {
        /** float32. */
        OFF,
        /** bfloat16. */
        ON,
        /** Both, in turns. */
        BOTH
    }

    private static final String SHIPPED = "YOLOv5 on PyTorch, as shipped";
    private static final String BEST = "YOLOv5 on PyTorch, channels_last, allocator set up";

    private static final int WARM_UP = 20;

    private final Console console;

    @Mixin private BenchOptions options = new BenchOptions();

    @Option(names = "--cfg", defaultValue = "yolov5n", description = "yolov5n, s, m, l or x.")
    private String cfg = "";

    @Option(names = "--imgsz", defaultValue = "320", description = "Width and height of images.")
    private int imageSize;

    @Option(names = "--batch", defaultValue = "8", description = "Images of one step.")
    private int batch;

    @Option(names = "--threads", defaultValue = "2", description = "Intra-op threads.")
    private int threads;

    @Option(
            names = "--amp",
            arity = "0..1",
            defaultValue = "off",
            fallbackValue = "on",
            description =
                    "Mixed precision with bfloat16: off, on (also without a value), or both in turns"
                            + " with each other.")
    private Amp amp = Amp.OFF;

    @Option(names = "--turns", defaultValue = "8", description = "How often each has its turn.")
    private int turns;

    @Option(names = "--steps", defaultValue = "5", description = "Timed steps of one turn.")
    private int steps;

    BenchStepCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        StepBench bench = new StepBench(turns, steps);
        List<StepBench.Contender> all = new ArrayList<>();
        try (Interruption interruption = new Interruption(console)) {
            try {
                List<BenchReport.Row> rows = compare(bench, all);
                BenchReport.of("step", processes(all), rows).print(console, options.json);
            } catch (RivalException e) {
                if (interruption.happened()) {
                    return ExitCode.INTERRUPTED;
                }
                throw e;
            } finally {
                processes(all).forEach(TurnProcess::close);
            }
        }
        return ExitCode.DONE;
    }

    private List<BenchReport.Row> compare(StepBench bench, List<StepBench.Contender> all) {
        List<StepBench.Contender> ours = new ArrayList<>();
        for (boolean mixed : new boolean[] {false, true}) {
            if (amp == Amp.BOTH || mixed == (amp == Amp.ON)) {
                ours.add(join(all, ours(bench, mixed)));
            }
        }
        if (!options.withPython()) {
            bench.run(all);
            return ours.stream().map(o -> BenchReport.Row.alone(o.name(), o.median())).toList();
        }
        StepBench.Contender shipped = join(all, rival(SHIPPED, false, false));
        List<StepBench.Contender> best = new ArrayList<>();
        for (StepBench.Contender mine : ours) {
            boolean mixed = mine.name().endsWith("bfloat16");
            best.add(join(all, rival(mixed ? BEST + ", bfloat16" : BEST, true, mixed)));
        }
        bench.run(all);
        List<BenchReport.Row> rows = new ArrayList<>();
        for (int i = 0; i < ours.size(); i++) {
            for (StepBench.Contender rival : List.of(shipped, best.get(i))) {
                StepBench.Contender mine = ours.get(i);
                rows.add(
                        BenchReport.Row.against(
                                mine.name(), mine.median(), rival.name(), rival.median()));
            }
        }
        return rows;
    }

    /** Adds it at once, so that it is closed whatever comes. */
    private static StepBench.Contender join(
            List<StepBench.Contender> all, StepBench.Contender contender) {
        all.add(contender);
        return contender;
    }

    private StepBench.Contender ours(StepBench bench, boolean mixed) {
        String name =
                String.join(
                        ", ",
                        cfg,
                        imageSize + " px",
                        "batch " + batch,
                        threads + " threads",
                        mixed ? "bfloat16" : "float32");
        List<String> more = mixed ? List.of("--amp") : List.of();
        return new StepBench.Contender(
                name, bench.ours(cfg, imageSize, batch, threads, WARM_UP, more));
    }

    private StepBench.Contender rival(String name, boolean best, boolean mixed) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "--cfg=" + cfg,
                                "--imgsz=" + imageSize,
                                "--batch=" + batch,
                                "--boxes=" + BenchTasks.BOXES,
                                "--threads=" + threads));
        if (best) {
            arguments.add("--channels-last");
        }
        if (mixed) {
            arguments.add("--bf16");
        }
        return new StepBench.Contender(name, options.start("rival_step.py", arguments, best));
    }

    private static List<TurnProcess> processes(List<StepBench.Contender> contenders) {
        return contenders.stream().map(StepBench.Contender::process).toList();
    }
}
