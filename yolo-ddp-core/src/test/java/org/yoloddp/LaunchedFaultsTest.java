package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.WorkerFailure;

/** Real trainings as launched processes, and what befalls one of them. */
@Tag("torch")
@Timeout(115)
@EnabledOnOs(value = OS.LINUX, disabledReason = "faults are signals, sent by kill")
class LaunchedFaultsTest {

    @TempDir private Path folder;

    private final ByteArrayOutputStream output = new ByteArrayOutputStream();

    @Test
    @Tag("process")
    void killedRankIsNamedByItsPeerAndTheReport() throws IOException {
        WorkerFailure root = fail("kill", 2, 1, Duration.ofSeconds(10));
        assertThat(root.signal()).contains("SIGKILL");
    }

    @Test
    @Tag("process")
    void exceptionIsTheRootCauseAndARestartTrainsOn() throws IOException {
        LaunchReport report = launch("exception", 2, 1, 1);
        assertThat(report.outcome()).as(text()).isEqualTo(Outcome.DONE);
        assertThat(report.restarts()).isEqualTo(1);
        assertThat(folder.resolve("noticed.0")).content().contains("RankFailedException 1 ");
        assertThat(folder.resolve("noticed.1")).content().contains("RankFailedException 1 ");
        assertThat(folder.resolve("done.0"))
                .content()
                .isEqualTo(Files.readString(folder.resolve("done.1")))
                .hasSizeGreaterThan(64);
    }

    @Test
    @Tag("slow")
    void deathIsNoticedWithinASecond() throws IOException {
        assertThat(fail("kill", 3, 2, Duration.ofSeconds(1)).signal()).contains("SIGKILL");
    }

    @Test
    @Tag("slow")
    void deathOfRankZeroIsNoticedToo() throws IOException {
        assertThat(fail("kill", 3, 0, Duration.ofSeconds(1)).signal()).contains("SIGKILL");
    }

    @Test
    @Tag("slow")
    void stoppedProcessIsNoticedWithinSixSeconds() throws IOException {
        WorkerFailure root = fail("stop", 3, 1, Duration.ofSeconds(6));
        assertThat(root.exitCode()).isEqualTo(-1);
        assertThat(root.cause()).containsPattern("rank [02] says: RankFailedException: Rank 1 ");
    }

    @Test
    @Tag("slow")
    void exceptionOfUserCodeIsTheRootCause() throws IOException {
        WorkerFailure root = fail("exception", 3, 2, Duration.ofSeconds(1));
        assertThat(root.exitCode()).isEqualTo(1);
        assertThat(root.consequence()).isFalse();
        assertThat(root.cause()).contains("IllegalStateException: the sample is broken");
    }

    @Test
    @Tag("slow")
    void systemExitOfUserCodeIsNamedAlthoughItsExitCodeIsZero() throws IOException {
        WorkerFailure root = fail("exit", 3, 1, Duration.ofSeconds(1));
        assertThat(root.exitCode()).isZero();
        assertThat(root.describe())
                .contains("ended with exit code 0 while the others still needed it");
    }

    @Test
    @Tag("slow")
    void outOfMemoryIsTheRootCause() throws IOException {
        fail("memory", 2, 1, Duration.ofSeconds(2));
    }

    /** All survivors name the rank within the limit, and so does the launcher. */
    private WorkerFailure fail(String fault, int ranks, int failing, Duration limit)
            throws IOException {
        LaunchReport report = launch(fault, ranks, failing, 0);
        assertThat(report.outcome()).as(text()).isEqualTo(Outcome.FAILED);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.rank()).as(root.describe()).isEqualTo(failing);
        for (int rank = 0; rank < ranks; rank++) {
            if (rank == failing) {
                continue;
            }
            String[] words = Files.readString(folder.resolve("noticed." + rank)).split(" ", -1);
            assertThat(words[1]).as("rank %d", rank).isEqualTo("RankFailedException");
            assertThat(words[2]).as("rank %d", rank).isEqualTo(Integer.toString(failing));
            assertThat(words[3]).as("rank %d", rank).isEqualTo(Long.toString(root.pid()));
            assertThat(Long.parseLong(words[0]))
                    .as("milliseconds until rank %d noticed", rank)
                    .isBetween(0L, limit.toMillis());
        }
        return root;
    }

    private LaunchReport launch(String fault, int ranks, int failing, int restarts) {
        return Launcher.builder()
                .setCommand(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FaultyTraining.class.getName(),
                        folder.toString(),
                        fault,
                        Integer.toString(failing),
                        "20")
                .optProcesses(ranks)
                .optMaxRestarts(restarts)
                .optConsole(output, output)
                .build()
                .run();
    }

    private String text() {
        return output.toString(StandardCharsets.UTF_8);
    }
}
