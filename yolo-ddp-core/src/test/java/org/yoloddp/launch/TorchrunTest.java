package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Under the real torchrun, of PyTorch 2.7. */
@Tag("rival")
class TorchrunTest {

    private static final String PYTHON = "YOLODDP_PYTHON";

    @TempDir private Path folder;

    private record Result(int exitCode, String output) {}

    @Test
    void ranksMeetInEveryRestart() throws IOException, InterruptedException {
        Result result = torchrun(1, -1);
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.output().lines().filter(line -> line.startsWith("met=")))
                .containsExactlyInAnyOrder(
                        "met=0 of restart 0",
                        "met=1 of restart 0",
                        "met=0 of restart 1",
                        "met=1 of restart 1");
    }

    @Test
    void torchrunsReportShowsOurRootCause() throws IOException, InterruptedException {
        // Rank 0's failure is the consequence of rank 1's, whose number is higher.
        Result result = torchrun(0, 1);
        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.output())
                .containsSubsequence(
                        "Root Cause (first observed failure):",
                        "rank      : 1 (local_rank: 1)",
                        "error_file: /",
                        "java.lang.IllegalStateException: the disk is full",
                        "TorchrunWorker.main");
    }

    private Result torchrun(int maxRestarts, int failing) throws IOException, InterruptedException {
        String python = System.getenv(PYTHON);
        assumeTrue(python != null, "set " + PYTHON + " to a Python with torch 2.7.1");
        Path output = folder.resolve("output.txt");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                python,
                                "-m",
                                "torch.distributed.run",
                                "--standalone",
                                "--nproc-per-node=2",
                                "--max-restarts=" + maxRestarts,
                                "--no-python",
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                TorchrunWorker.class.getName(),
                                Integer.toString(failing)));
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        try {
            assertThat(process.waitFor(90, TimeUnit.SECONDS)).isTrue();
            return new Result(process.exitValue(), Files.readString(output));
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
