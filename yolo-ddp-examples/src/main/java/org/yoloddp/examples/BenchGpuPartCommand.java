package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.yoloddp.DeviceChoice;
import org.yoloddp.nccl.NcclReport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench gpu-part}: one rank of a part of {@code doctor --gpu}. */
@Command(
        name = "gpu-part",
        hidden = true,
        description = "Tries one thing on GPUs and leaves a report; for doctor --gpu.")
final class BenchGpuPartCommand implements Callable<Integer> {

    private static final List<Long> SIZES = List.of(1L << 10, 1L << 20, 64L << 20);
    private static final int TURNS = 3;

    private final Console console;

    @Option(names = "--part", required = true)
    private GpuPart part = GpuPart.TRAINING;

    @Option(names = "--report", required = true)
    private Path report = Path.of("");

    @Option(names = "--gpus", required = true)
    private int gpus;

    @Option(names = "--dry-run")
    private boolean dryRun;

    BenchGpuPartCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        boolean first = System.getenv().getOrDefault("RANK", "0").equals("0");
        GpuResult found;
        long start = System.nanoTime();
        try {
            String text = text();
            found = GpuResult.pass(part, text, (System.nanoTime() - start) / 1e9);
        } catch (RuntimeException e) {
            if (first) {
                String text = e.getClass().getSimpleName() + ": " + e.getMessage();
                leave(GpuResult.fail(part, text, (System.nanoTime() - start) / 1e9));
            }
            throw e;
        }
        if (first && !Files.exists(report)) {
            leave(found);
        }
        return ExitCode.DONE;
    }

    /** Whoever started this sees all of it or nothing. */
    private void leave(GpuResult found) throws IOException {
        Path part = report.resolveSibling(report.getFileName() + ".part");
        Files.writeString(part, new Gson().toJson(found), StandardCharsets.UTF_8);
        Files.move(part, report);
    }

    private String text() {
        GpuTraining training = new GpuTraining(dryRun ? DeviceChoice.cpu() : DeviceChoice.gpus(0));
        return switch (part) {
            case TRAINING -> training.learnsAsTheCpu();
            case AMP -> training.learnsInMixedPrecision();
            case STEP -> training.step("yolov5n", dryRun ? 64 : 320, dryRun ? 2 : 30);
            case RANKS -> GpuTraining.learnsTogether(dryRun, gpus, part.ranks());
            case STREAM_ORDER -> onRank(rank -> new StreamOrderTrial(rank, dryRun ? 4 : 900).run());
            case BANDWIDTH -> onRank(this::bandwidth);
            case HUNG_PEER -> onRank(rank -> new HungPeerTrial(rank).run());
        };
    }

    private String onRank(Function<GpuRank, String> body) {
        NcclReport found = GpuRanks.look();
        return GpuRanks.run(System.getenv(), found, body);
    }

    private String bandwidth(GpuRank rank) {
        List<Long> sizes = dryRun ? List.of(1L << 10) : SIZES;
        NcclBench.Plan plan =
                new NcclBench.Plan(
                        sizes, dryRun ? 1 : TURNS, dryRun ? 2 : 20, new BenchOptions(), "nccl");
        try (NcclBench bench = new NcclBench(rank, plan)) {
            return bench.run(console).stream()
                    .map(BenchGpuPartCommand::text)
                    .collect(Collectors.joining("; "));
        }
    }

    private static String text(BenchReport.Row row) {
        Map<String, Double> speed = row.oursGigabytesPerSecond();
        return String.format(
                Locale.ROOT,
                "%s: %.3f ms, busbw %.2f GB/s, %.2f x %s",
                row.name(),
                row.oursMillis(),
                speed == null ? 0 : speed.get("busbw"),
                row.ratio(),
                row.rival());
    }
}
