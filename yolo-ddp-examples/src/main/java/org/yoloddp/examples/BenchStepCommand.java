package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench step}. */
@Command(
        name = "step",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times one training step: forward, loss, backward, clipping, SGD with nesterov momentum,"
                    + " moving average of the weights; on noise with random boxes.",
            "With --rival python the same step of YOLOv5 on PyTorch is taken in turns with ours, once"
                    + " as shipped and once at its best settings (channels_last, and the allocator"
                    + " set up as bin/yolo-ddp does). It needs a Python with packages that"
                    + " 'python3 python/rival_step.py --help' names, in the program's folder."
        })
final class BenchStepCommand implements Callable<Integer> {

    /** Whom to compare with. */
    enum Rival {
        /** YOLOv5 on PyTorch. */
        PYTHON
    }

    private final Console console;

    @Option(names = "--rival", description = "Compare with: ${COMPLETION-CANDIDATES}.")
    private Rival rival;

    @Option(
            names = "--python",
            defaultValue = "python3",
            description = "The Python that has the rival's packages.")
    private String python;

    @Option(names = "--cfg", defaultValue = "yolov5n", description = "yolov5n, s, m, l or x.")
    private String cfg;

    @Option(names = "--imgsz", defaultValue = "320", description = "Width and height of images.")
    private int imageSize;

    @Option(names = "--batch", defaultValue = "8", description = "Images of one step.")
    private int batch;

    @Option(names = "--threads", defaultValue = "2", description = "Intra-op threads.")
    private int threads;

    @Option(names = "--amp", description = "bfloat16 for both.")
    private boolean amp;

    @Option(names = "--turns", defaultValue = "8", description = "How often each has its turn.")
    private int turns;

    @Option(names = "--steps", defaultValue = "5", description = "Timed steps of one turn.")
    private int steps;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    BenchStepCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        List<StepBench.Contender> rivals = new ArrayList<>();
        try (Interruption interruption = new Interruption(console)) {
            if (rival != null) {
                rivals.add(contender("YOLOv5 on PyTorch, as shipped", false));
                rivals.add(contender("YOLOv5 on PyTorch, channels_last, allocator set up", true));
            }
            StepBench bench = new StepBench(cfg, imageSize, batch, threads, amp, turns, steps);
            Optional<BenchReport> report = bench.run(rivals);
            if (report.isEmpty()) {
                return ExitCode.INTERRUPTED;
            }
            if (json) {
                console.print(report.get().json());
            } else {
                report.get().lines().forEach(console::print);
            }
        } finally {
            rivals.forEach(contender -> contender.process().close());
        }
        return ExitCode.DONE;
    }

    private StepBench.Contender contender(String name, boolean best) {
        Path script = Home.folder().resolve("python").resolve("rival_step.py");
        List<String> options =
                new ArrayList<>(
                        List.of(
                                "--cfg=" + cfg,
                                "--imgsz=" + imageSize,
                                "--batch=" + batch,
                                "--boxes=" + StepBench.BOXES,
                                "--threads=" + threads));
        if (best) {
            options.add("--channels-last");
        }
        if (amp) {
            options.add("--bf16");
        }
        return new StepBench.Contender(name, new RivalProcess(python, script, options, best));
    }
}
