package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
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
        Process program =
                start(
                        "--data=" + data,
                        "--epochs=10000",
                        "--project=" + folder,
                        "--imgsz=64",
                        "--batch-size=4",
                        "--nproc=2");
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

    /** Steps are long here, so that the training would go on for a while after the first. */
    @Test
    void secondControlCEndsAtOnce() throws IOException, InterruptedException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 320, 0);
        Process program =
                start(
                        "--data=" + data,
                        "--epochs=10000",
                        "--project=" + folder,
                        "--imgsz=320",
                        "--batch-size=8",
                        "--nproc=1");
        Path errors = folder.resolve("err.txt");
        try (BufferedReader out = program.inputReader()) {
            String line = out.readLine();
            while (line != null && !line.startsWith("epoch 1/")) {
                line = out.readLine();
            }
            assertThat(line).as("a first epoch").isNotNull();
            interrupt(program);
            String first = "warning: interrupted: ending after this step; once more ends at once";
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (!Files.readString(errors).contains(first)) {
                assertThat(System.nanoTime() - end).as(first).isNegative();
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
            }
            interrupt(program);
            List<String> rest = out.lines().toList();
            assertThat(program.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(program.exitValue()).isEqualTo(130);
            assertThat(rest).noneMatch(text -> text.startsWith("interrupted after "));
            assertThat(errors)
                    .content()
                    .contains(
                            "warning: interrupted again: ending at once; the run folder may be"
                                    + " incomplete");
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
                                "train"));
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
