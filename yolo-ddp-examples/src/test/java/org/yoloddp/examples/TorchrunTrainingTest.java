package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.detection.SyntheticShapes;

/** {@code train} under the real torchrun of PyTorch 2.7, as two processes. */
@Tag("rival")
class TorchrunTrainingTest {

    private static final String PYTHON = "YOLODDP_PYTHON";

    @TempDir private Path folder;

    @Test
    void torchrunTrainsByTwoProcesses() throws IOException, InterruptedException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 64, 0);
        String output = torchrun(0, "--data=" + data, "--epochs=2");
        assertThat(output)
                .containsOnlyOnce("results in " + folder.resolve("exp"))
                .containsOnlyOnce("done after 2 epochs");
        assertThat(folder.resolve("exp/summary.json")).content().contains("\"worldSize\": 2");
    }

    @Test
    void ranksMeetAtAnEndpointOfTheirOwnIfAskedTo() throws IOException, InterruptedException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 64, 0);
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        String endpoint = "--rdzv-endpoint=127.0.0.1:" + port;
        assertThat(torchrun(0, "--data=" + data, "--epochs=1", endpoint))
                .containsOnlyOnce("done after 1 epochs");
    }

    @Test
    void torchrunsReportShowsOurError() throws IOException, InterruptedException {
        String output = torchrun(1, "--data=" + folder.resolve("nowhere.yaml"));
        assertThat(output)
                .containsSubsequence("Root Cause (first observed failure):", "DatasetException");
    }

    private String torchrun(int exitCode, String... options)
            throws IOException, InterruptedException {
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
                                "--no-python"));
        command.addAll(
                OwnCommand.with(
                        List.of("train", "--imgsz=64", "--batch-size=4", "--project=" + folder)));
        command.addAll(List.of(options));
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
            String text = Files.readString(output);
            assertThat(process.exitValue()).as(text).isEqualTo(exitCode);
            return text;
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
