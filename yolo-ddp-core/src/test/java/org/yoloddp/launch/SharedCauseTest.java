package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.rendezvous.JobToken;

/**
 * What only the launchers see reaches the ranks, and what only the ranks' failure channel hears
 * reaches the launchers: on two nodes, with real processes.
 */
@Tag("process")
@Timeout(90)
@EnabledOnOs(value = OS.LINUX, disabledReason = "processes are stopped and ended by kill")
class SharedCauseTest {

    @TempDir private Path folder;

    private final List<Launcher> launchers = new CopyOnWriteArrayList<>();

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    @Test
    void jobWhoseRanksAreAllStoppedIsEndedAndNamesOneOfThem() throws Exception {
        LaunchReport report = launch(0, "STOPS", "STOPS");
        assertThat(report.outcome()).as(out.toString()).isEqualTo(Outcome.FAILED);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.pid()).isEqualTo(pid(root.rank()));
        assertThat(root.nodeRank()).isEqualTo(root.rank());
        assertThat(root.describe())
                .matches(
                        "rank (\\d) \\(process \\d+ on .+\\) was stopped, since it no longer took"
                                + " part; last error line: the job's store says:"
                                + " RankFailedException: Rank \\1 \\(process .*\\) failed at step 4,"
                                + " in phase 'training', .*: no heartbeat for more than 1500 ms: it"
                                + " is stopped, starved or cut off\\. The other ranks .*");
        assertThat(LauncherTest.isAlive(pid(0)) || LauncherTest.isAlive(pid(1))).isFalse();
    }

    @Test
    @Tag("slow")
    void jobWhoseRanksAreAllStoppedIsStartedAgain() throws Exception {
        assertThat(launch(1, "STOPS", "STOPS"))
                .isEqualTo(new LaunchReport(Outcome.DONE, 1, 2, List.of()));
        assertThat(LauncherTest.isAlive(pid(0)) || LauncherTest.isAlive(pid(1))).isFalse();
    }

    @Test
    void rankThatIsEndedBeforeItConnectsIsNamedToWhoOutlivesTheStop() throws Exception {
        LaunchReport report = launch(0, "ASKED", "OBEYS", "RESISTS");
        assertThat(report.outcome()).as(out.toString()).isEqualTo(Outcome.INTERRUPTED);
        assertThat(folder.resolve("told.2"))
                .content()
                .matches(
                        "0 Rank 0 \\(process \\d+ on .+\\) failed, before its first collective in"
                                + " group 'world': it was ended by SIGTERM \\(exit code 143\\)\\..*");
    }

    @Test
    @Tag("slow")
    void rankThatEndsBeforeItConnectsIsNamedToWhoOutlivesTheStop() throws Exception {
        LaunchReport report = launch(0, "HALTS", "OBEYS", "RESISTS");
        assertThat(report.outcome()).as(out.toString()).isEqualTo(Outcome.FAILED);
        assertThat(report.rootCause().orElseThrow().rank()).isZero();
        assertThat(folder.resolve("told.2")).content().contains("0 Rank 0 ", "exit code 7");
    }

    /** Without a word they would wait for who does not come until they are killed. */
    @Test
    void stopBeforeAllHaveMetDoesNotWaitForTheRanksThatWaitForTheOthers() throws Exception {
        CompletableFuture<Void> stop =
                CompletableFuture.runAsync(
                        () -> {
                            LauncherTest.eventually(
                                    () ->
                                            Files.exists(folder.resolve("up.1"))
                                                    && Files.exists(folder.resolve("up.2")));
                            launchers.get(0).stop(StopSignal.TERMINATE);
                        });
        LaunchReport report = launch(0, "ABSENT", "RESISTS", "RESISTS");
        stop.get(10, TimeUnit.SECONDS);
        assertThat(report.outcome()).as(out.toString()).isEqualTo(Outcome.INTERRUPTED);
        for (int rank = 1; rank < 3; rank++) {
            assertThat(folder.resolve("told." + rank))
                    .content()
                    .matches("0 Rank 0 .+ it was ended by SIGTERM \\(exit code 143\\)\\..*");
        }
    }

    /** One rank on node 1, all others on node 0. */
    private LaunchReport launch(int restarts, String... parts) throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        Map<String, String> environment = new HashMap<>(System.getenv());
        environment.put(JobToken.VARIABLE, "a secret for this test");
        List<CompletableFuture<LaunchReport>> nodes = new ArrayList<>();
        for (int node = 0; node < 2; node++) {
            Settings settings =
                    Launcher.builder()
                            .setCommand(command(parts))
                            .optWatchesInput(true)
                            .optNodes(NodeRange.of(2))
                            .optNodeRank(node)
                            .optMasterPort(port)
                            .optProcesses(node == 0 ? parts.length - 1 : 1)
                            .optMaxRestarts(restarts)
                            .optJoinTimeout(Duration.ofSeconds(20))
                            .optMonitorInterval(Duration.ofMillis(20))
                            .optNoticeTimeout(Duration.ofMillis(500))
                            .optConsole(out, out)
                            .settings();
            Launcher launcher = new Launcher(settings, environment);
            launchers.add(launcher);
            nodes.add(CompletableFuture.supplyAsync(launcher::run));
        }
        LaunchReport report = nodes.get(0).get(60, TimeUnit.SECONDS);
        assertThat(nodes.get(1).get(60, TimeUnit.SECONDS)).isEqualTo(report);
        return report;
    }

    private List<String> command(String... parts) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx100m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                ChannelWorker.class.getName(),
                                folder.toString()));
        command.addAll(List.of(parts));
        return command;
    }

    private long pid(int rank) throws IOException {
        return Long.parseLong(Files.readString(folder.resolve("up." + rank)));
    }
}
