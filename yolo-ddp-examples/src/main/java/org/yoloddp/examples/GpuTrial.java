package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.nccl.NcclReport;

/**
 * Tries on this machine's GPUs what can't be proven without any, each part in processes of its own,
 * so that one that hangs or dies does not take the others along.
 */
final class GpuTrial {

    private final Console console;
    private final NcclReport gpus;
    private final boolean dryRun;

    /**
     * @param gpus what was found
     * @param dryRun whether trainings compute on the CPU, and everything is short: for tests of
     *     this over the doubles of CUDA and NCCL
     */
    GpuTrial(Console console, NcclReport gpus, boolean dryRun) {
        this.console = console;
        this.gpus = gpus;
        this.dryRun = dryRun;
    }

    /** Tries all given parts, and prints a line for each. */
    List<GpuResult> run(List<GpuPart> parts) throws IOException {
        List<GpuResult> results = new ArrayList<>();
        int count = gpus.devices().size();
        if (count < 2) {
            console.print(
                    "Several ranks share the one GPU, as processes with an NCCL_HOSTID each, over"
                            + " sockets: slow, and without a word on links between GPUs.");
        }
        for (GpuPart part : parts) {
            GpuResult result = run(part, count);
            results.add(result);
            console.print(result.line());
        }
        return results;
    }

    private GpuResult run(GpuPart part, int count) throws IOException {
        Path folder = Files.createTempDirectory("yolo-ddp-gpu-");
        long start = System.nanoTime();
        try (ByteArrayOutputStream said = new ByteArrayOutputStream()) {
            Path report = folder.resolve("report.json");
            List<String> arguments =
                    new ArrayList<>(
                            List.of(
                                    "bench",
                                    "gpu-part",
                                    "--part=" + part.name(),
                                    "--gpus=" + count,
                                    "--report=" + report));
            if (dryRun) {
                arguments.add("--dry-run");
            }
            Console quiet =
                    new Console(
                            new PrintWriter(Writer.nullWriter()),
                            new PrintWriter(Writer.nullWriter()),
                            false,
                            said,
                            said);
            LaunchReport ended =
                    GpuRanks.launch(quiet, arguments, part.ranks(), count, folder, GpuPart.LIMIT);
            double seconds = (System.nanoTime() - start) / 1e9;
            if (Files.exists(report)) {
                GpuResult told =
                        new Gson()
                                .fromJson(
                                        Files.readString(report, StandardCharsets.UTF_8),
                                        GpuResult.class);
                GpuResult timed = new GpuResult(told.part(), told.state(), told.text(), seconds);
                boolean meant = part == GpuPart.HUNG_PEER;
                return meant || ended.failures().isEmpty()
                        ? timed
                        : GpuResult.fail(part, reason(ended, told.text()), seconds);
            }
            String text = said.toString(StandardCharsets.UTF_8);
            console.err().print(text);
            console.err().flush();
            String told = GpuCheckException.noReport(part.text(), ended.outcome()).getMessage();
            return GpuResult.fail(part, reason(ended, told), seconds);
        } finally {
            Folders.delete(folder);
        }
    }

    /** What rank 0 has said goes before, as it knows of the others. */
    private static String reason(LaunchReport ended, String told) {
        return ended.rootCause().map(cause -> told + "; " + cause.describe()).orElse(told);
    }
}
