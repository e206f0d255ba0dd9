package org.yoloddp.examples;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench overhead}. */
@Command(
        name = "overhead",
        sortOptions = false,
        showDefaultValues = true,
        description =
                "Times what the trainer costs: its steps with one rank against those of a loop by"
                        + " hand straight on libtorch, with the same model and batches, in turns.")
final class BenchOverheadCommand implements Callable<Integer> {

    private final Console console;

    @Option(names = "--cfg", defaultValue = "yolov5n", description = "yolov5n, s, m, l or x.")
    private String cfg = "";

    @Option(names = "--imgsz", defaultValue = "320", description = "Width and height of images.")
    private int imageSize;

    @Option(names = "--batch", defaultValue = "8", description = "Images of one step.")
    private int batch;

    @Option(names = "--threads", defaultValue = "2", description = "Intra-op threads.")
    private int threads;

    @Option(names = "--turns", defaultValue = "15", description = "How often each has its turn.")
    private int turns;

    @Option(names = "--steps", defaultValue = "8", description = "Timed steps of one turn.")
    private int steps;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    BenchOverheadCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        try (Interruption interruption = new Interruption(console)) {
            Optional<BenchReport.Row> row =
                    new OverheadBench(cfg, imageSize, batch, threads, turns, steps).run();
            if (row.isEmpty()) {
                return ExitCode.INTERRUPTED;
            }
            BenchReport.of("overhead", Map.of(), row.stream().toList()).print(console, json);
        }
        return ExitCode.DONE;
    }
}
