package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.detection.SyntheticShapes;

/** {@code launch train}, with signals to the launcher. */
@Tag("torch")
@Timeout(115)
@EnabledOnOs(value = OS.LINUX, disabledReason = "signals are sent by kill")
class LaunchedTrainingTest {

    @TempDir private Path folder;

    @Test
    @Tag("process")
    void twoProcessesTrainOneModelAndOnlyRankZeroPrintsAndWrites() throws IOException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 64, 0);
        Output output = new Output();
        int exitCode =
                output.run(
                        "launch",
                        "--nproc-per-node=2",
                        "train",
                        "--imgsz=64",
                        "--batch-size=4",
                        "--epochs=2",
                        "--data=" + data,
                        "--project=" + folder.resolve("train"));
        assertThat(exitCode).as(output.err()).isZero();
        assertThat(output.out().lines())
                .isNotEmpty()
                .allMatch(line -> line.startsWith("[rank 0] "))
                .contains("[rank 0] results in " + folder.resolve("train/exp"));
        assertThat(folder.resolve("train/exp2")).doesNotExist();
        JsonObject summary = summary(folder.resolve("train/exp"));
        assertThat(summary.get("worldSize").getAsInt()).isEqualTo(2);
        JsonArray hashes = summary.getAsJsonArray("parametersSha256");
        assertThat(hashes).hasSize(2);
        assertThat(hashes.get(0)).isEqualTo(hashes.get(1));
    }

    /** Each finds its rank in variables that mpirun sets; RANK and WORLD_SIZE are not there. */
    @Test
    @Tag("process")
    void processesOfMpirunTrainOneModel() throws IOException, InterruptedException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, 64, 0);
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        List<Process> ranks = new ArrayList<>();
        try {
            for (int rank = 0; rank < 2; rank++) {
                ProcessBuilder builder =
                        new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                YoloDdp.class.getName(),
                                "train",
                                "--imgsz=64",
                                "--batch-size=4",
                                "--epochs=1",
                                "--data=" + data,
                                "--project=" + folder.resolve("train"));
                builder.environment().put("OMPI_COMM_WORLD_RANK", Integer.toString(rank));
                builder.environment().put("OMPI_COMM_WORLD_SIZE", "2");
                builder.environment().put("OMPI_COMM_WORLD_LOCAL_RANK", Integer.toString(rank));
                builder.environment().put("OMPI_COMM_WORLD_LOCAL_SIZE", "2");
                builder.environment().put("MASTER_PORT", Integer.toString(port));
                ranks.add(
                        builder.redirectErrorStream(true)
                                .redirectOutput(folder.resolve("rank" + rank + ".txt").toFile())
                                .start());
            }
            for (int rank = 0; rank < 2; rank++) {
                assertThat(ranks.get(rank).waitFor(60, TimeUnit.SECONDS)).isTrue();
                assertThat(ranks.get(rank).exitValue())
                        .as(Files.readString(folder.resolve("rank" + rank + ".txt")))
                        .isZero();
            }
        } finally {
            ranks.forEach(Process::destroyForcibly);
        }
        assertThat(Files.readString(folder.resolve("rank0.txt")))
                .startsWith("found MPI (OMPI_COMM_WORLD_RANK is 0")
                .contains("results in " + folder.resolve("train/exp"));
        assertThat(folder.resolve("rank1.txt")).isEmptyFile();
        assertThat(folder.resolve("train/exp2")).doesNotExist();
        assertThat(folder.resolve("train/exp/summary.json")).content().contains("\"worldSize\": 2");
    }

    @Test
    @Tag("process")
    void trainingDoesNotOutliveAKilledLauncher() throws IOException, InterruptedException {
        Process launcher = start(1, 64);
        List<ProcessHandle> workers = List.of();
        try (BufferedReader out = launcher.inputReader()) {
            awaitFirstEpoch(out);
            workers = launcher.descendants().toList();
            assertThat(workers).hasSize(1);
            signal(launcher, "KILL");
            for (ProcessHandle worker : workers) {
                assertThat(worker.onExit()).succeedsWithin(Duration.ofSeconds(30));
            }
        } finally {
            workers.forEach(ProcessHandle::destroyForcibly);
            launcher.destroyForcibly();
        }
        assertThat(folder.resolve("err.txt")).content().doesNotContain("Exception in thread");
    }

    @Test
    @Tag("slow")
    void controlCOfTheLauncherLeavesACompleteRunFolder() throws IOException, InterruptedException {
        Process launcher = start(2, 64);
        try (BufferedReader out = launcher.inputReader()) {
            awaitFirstEpoch(out);
            signal(launcher, "INT");
            List<String> rest = out.lines().toList();
            assertThat(launcher.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(launcher.exitValue()).isEqualTo(130);
            assertThat(rest).anyMatch(text -> text.startsWith("[rank 0] interrupted after "));
            // Both ended after the same step: their parameters are compared for this.
            assertThat(folder.resolve("exp/summary.json"))
                    .content()
                    .contains("\"cancelled\"", "\"worldSize\": 2");
            JsonArray hashes = summary(folder.resolve("exp")).getAsJsonArray("parametersSha256");
            assertThat(hashes).hasSize(2);
            assertThat(hashes.get(0)).isEqualTo(hashes.get(1));
        } finally {
            launcher.descendants().forEach(ProcessHandle::destroyForcibly);
            launcher.destroyForcibly();
        }
        assertThat(folder.resolve("err.txt"))
                .content()
                .contains(
                        "warning: interrupted: the ranks end in good order; once more kills them");
    }

    /** At moments at which ranks have begun to load, wait for others, and prepare. */
    @ParameterizedTest
    @ValueSource(ints = {700, 900, 1100, 1300, 1800})
    @Tag("slow")
    void stopOfTheLauncherAtTheStartEndsSoon(int millis) throws IOException, InterruptedException {
        Process launcher = start(3, 64);
        launcher.inputReader().close();
        try {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
            List<ProcessHandle> ranks = launcher.descendants().toList();
            signal(launcher, "TERM");
            assertThat(launcher.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(launcher.exitValue()).isIn(130, 143);
            assertThat(ranks).noneMatch(ProcessHandle::isAlive);
        } finally {
            launcher.descendants().forEach(ProcessHandle::destroyForcibly);
            launcher.destroyForcibly();
        }
    }

    /** Steps are long here, so that the training would go on for a while after the first. */
    @Test
    @Tag("slow")
    void secondControlCOfTheLauncherEndsAllRanksAtOnce() throws IOException, InterruptedException {
        Process launcher = start(2, 320);
        Path errors = folder.resolve("err.txt");
        try (BufferedReader out = launcher.inputReader()) {
            awaitFirstEpoch(out);
            List<ProcessHandle> ranks = launcher.descendants().toList();
            assertThat(ranks).hasSizeGreaterThanOrEqualTo(2);
            signal(launcher, "INT");
            String first =
                    "warning: interrupted: the ranks end in good order; once more kills them";
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (!Files.readString(errors).contains(first)) {
                assertThat(System.nanoTime() - end).as(first).isNegative();
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
            }
            signal(launcher, "INT");
            assertThat(launcher.waitFor(10, TimeUnit.SECONDS)).isTrue();
            assertThat(launcher.exitValue()).isEqualTo(130);
            assertThat(ranks).noneMatch(ProcessHandle::isAlive);
            assertThat(out.lines()).noneMatch(text -> text.contains("interrupted after "));
        } finally {
            launcher.descendants().forEach(ProcessHandle::destroyForcibly);
            launcher.destroyForcibly();
        }
        assertThat(errors).content().contains("warning: interrupted again: killing the ranks");
    }

    private static JsonObject summary(Path run) throws IOException {
        return new Gson().fromJson(Files.readString(run.resolve("summary.json")), JsonObject.class);
    }

    private Process start(int ranks, int imageSize) throws IOException {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 8, 2, imageSize, 0);
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                YoloDdp.class.getName(),
                                "launch",
                                "--standalone",
                                "--nproc-per-node=" + ranks,
                                "train",
                                "--imgsz=" + imageSize,
                                "--batch-size=4",
                                "--epochs=10000",
                                "--data=" + data,
                                "--project=" + folder));
        return new ProcessBuilder(command)
                .redirectError(folder.resolve("err.txt").toFile())
                .start();
    }

    private static void awaitFirstEpoch(BufferedReader out) throws IOException {
        String line = out.readLine();
        while (line != null && !line.replace("[rank 0] ", "").startsWith("epoch 1/")) {
            line = out.readLine();
        }
        assertThat(line).as("a first epoch").isNotNull();
    }

    private static void signal(Process process, String name)
            throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
        assertThat(kill.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(kill.exitValue()).isZero();
    }
}
