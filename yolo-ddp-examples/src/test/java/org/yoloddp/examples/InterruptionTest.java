package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.detection.SyntheticShapes;

@Tag("process")
@Tag("torch")
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "Windows has no SIGINT for other processes")
class InterruptionTest {

    @TempDir private Path folder;

    @Test
    void controlCEndsAllRanksAndLeavesACompleteRunFolder()
            throws IOException, InterruptedException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 64, 0);
        Process program = start("--data=" + data, "--epochs=10000", "--project=" + folder);
        try (BufferedReader out = program.inputReader()) {
            String line = out.readLine();
            while (line != null && !line.startsWith("epoch 1/")) {
                line = out.readLine();
            }
            assertThat(line).as("a first epoch").isNotNull();
            interrupt(program);
            List<String> rest = out.lines().toList();
            assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(program.exitValue()).isEqualTo(130);
            assertThat(rest).anyMatch(text -> text.startsWith("interrupted after "));
            assertThat(rest).contains("results in " + folder.resolve("exp"));
            assertThat(folder.resolve("exp/summary.json")).content().contains("\"cancelled\"");
        } finally {
            program.destroyForcibly();
        }
    }

    private Process start(String... options) throws IOException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                YoloDdp.class.getName(),
                                "train",
                                "--imgsz=64",
                                "--batch-size=4",
                                "--nproc=2"));
        command.addAll(List.of(options));
        return new ProcessBuilder(command)
                .redirectError(folder.resolve("err.txt").toFile())
                .start();
    }

    private static void interrupt(Process program) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("kill", "-INT", Long.toString(program.pid())).start();
        assertThat(kill.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(kill.exitValue()).isZero();
    }
}
