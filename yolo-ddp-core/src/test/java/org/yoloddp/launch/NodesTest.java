package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreConnectionException;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.rendezvous.TcpStore;

/** Several launchers on one machine, which meet at a port of it; workers are shell scripts. */
@Tag("process")
@Timeout(60)
@EnabledOnOs(value = OS.LINUX, disabledReason = "the workers are shell scripts")
class NodesTest {

    @TempDir private Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, String> environment = new HashMap<>(System.getenv());
    private int port;

    @BeforeEach
    void choosePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        environment.put(JobToken.VARIABLE, "a secret for this test");
    }

    @Test
    void ranksAreNumberedOverNodesAndAllRestartTogether() throws Exception {
        String script =
                "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $GROUP_RANK"
                        + " $GROUP_WORLD_SIZE $TORCHELASTIC_RESTART_COUNT $MASTER_PORT"
                        + " >> ranks.$RANK;"
                        + " [ $TORCHELASTIC_RESTART_COUNT = 1 ] && exit 0;"
                        + " [ $RANK = 2 ] && exit 5; exec sleep 60";
        CompletableFuture<LaunchReport> second = start(node(1, 1, script).optMaxRestarts(2));
        CompletableFuture<LaunchReport> first = start(node(0, 2, script).optMaxRestarts(2));
        LaunchReport expected = new LaunchReport(Outcome.DONE, 1, 2, List.of());
        assertThat(first.get(30, TimeUnit.SECONDS)).isEqualTo(expected);
        assertThat(second.get(30, TimeUnit.SECONDS)).isEqualTo(expected);
        List<String> rank2 = Files.readAllLines(folder.resolve("ranks.2"));
        assertThat(rank2).hasSize(2);
        assertThat(rank2.get(0)).startsWith("2 0 3 1 1 2 0 ").doesNotEndWith(" " + port);
        assertThat(rank2.get(1)).startsWith("2 0 3 1 1 2 1 ");
        assertThat(Files.readAllLines(folder.resolve("ranks.1")).get(1))
                .isEqualTo(rank2.get(1).replace("2 0 3 1 1 2 1", "1 1 3 2 0 2 1"));
    }

    @Test
    void allNodesReportTheSameRootCause() throws Exception {
        String script = "[ $RANK = 1 ] && { echo 'no data' >&2; exit 4; }; exec sleep 60";
        CompletableFuture<LaunchReport> first = start(node(0, 1, script));
        CompletableFuture<LaunchReport> second = start(node(1, 1, script));
        LaunchReport report = first.get(30, TimeUnit.SECONDS);
        assertThat(second.get(30, TimeUnit.SECONDS)).isEqualTo(report);
        assertThat(report.rootCause().orElseThrow().describe())
                .startsWith("rank 1 (process ")
                .endsWith(" ended with exit code 4; last error line: no data");
    }

    @Test
    void nodeLeavesAndJoinsWithoutAFailure() throws Exception {
        String script =
                "touch up.$YOLODDP_GENERATION.$WORLD_SIZE.$RANK;"
                        + " trap 'exit 0' TERM INT;"
                        + " while [ ! -e finish.$WORLD_SIZE ]; do sleep 0.05; done";
        CompletableFuture<LaunchReport> first = start(elastic(node(0, 1, script)));
        Launcher leaving = build(elastic(node(1, 1, script)));
        CompletableFuture<LaunchReport> second = CompletableFuture.supplyAsync(leaving::run);
        assertThat(LauncherTest.eventually(() -> exists("up.0.2.0") && exists("up.0.2.1")))
                .isTrue();
        leaving.stop(StopSignal.TERMINATE);
        assertThat(second.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.LEFT);
        assertThat(LauncherTest.eventually(() -> exists("up.1.1.0"))).isTrue();
        CompletableFuture<LaunchReport> third = start(elastic(node(1, 1, script)));
        assertThat(LauncherTest.eventually(() -> exists("up.2.2.0") && exists("up.2.2.1")))
                .isTrue();
        Files.createFile(folder.resolve("finish.2"));
        LaunchReport report = first.get(30, TimeUnit.SECONDS);
        assertThat(report).isEqualTo(new LaunchReport(Outcome.DONE, 0, 3, List.of()));
        assertThat(third.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
    }

    @Test
    void lossOfNodeZeroEndsTheJobElsewhere() throws Exception {
        // Node 0 is a store that begins a job and vanishes.
        String address = "127.0.0.1:" + port;
        CompletableFuture<LaunchReport> second =
                start(node(1, 1, "echo $$ > pid; touch up; exec sleep 60"));
        StoreServer server =
                StoreServer.start(
                        new InetSocketAddress("127.0.0.1", port),
                        JobToken.fromEnvironment(environment).orElseThrow(),
                        StoreOptions.defaults());
        try (var store =
                TcpStore.connect(
                        server.address(),
                        JobToken.fromEnvironment(environment).orElseThrow(),
                        Duration.ofSeconds(5))) {
            Board board = new Board(store, 2, Duration.ofSeconds(5));
            board.open();
            board.publish(JobState.begin("default"));
            assertThat(LauncherTest.eventually(() -> !board.nodes().isEmpty())).isTrue();
            NodeState node = board.nodes().get(0);
            board.publish(
                    JobState.begin("default")
                            .running(List.of(new JobState.Member(1, node.agent(), "h", 1)), 1));
            assertThat(LauncherTest.eventually(() -> exists("up"))).isTrue();
            server.close();
            assertThatThrownBy(() -> second.get(30, TimeUnit.SECONDS))
                    .isInstanceOf(ExecutionException.class)
                    .cause()
                    .isInstanceOf(LaunchException.class)
                    .hasMessageStartingWith(
                            "the launcher of node 0, which serves the job's store at "
                                    + address
                                    + ", is gone or cannot be reached (")
                    .hasMessageEndingWith(
                            "); this node's workers were stopped, and the job has ended: find out"
                                    + " why node 0 was lost, and start it again on all nodes");
        } finally {
            server.close();
        }
        long pid = Long.parseLong(Files.readString(folder.resolve("pid")).strip());
        assertThat(LauncherTest.eventually(() -> !LauncherTest.isAlive(pid))).isTrue();
    }

    @Test
    void nodeRankThatIsTakenIsRefused() throws Exception {
        CompletableFuture<LaunchReport> first = start(node(0, 1, "exit 0"));
        CompletableFuture<LaunchReport> second =
                start(node(1, 1, "touch up; while [ ! -e finish ]; do sleep 0.05; done"));
        assertThat(LauncherTest.eventually(() -> exists("up"))).isTrue();
        assertThatThrownBy(() -> build(node(1, 1, "exit 0")).run())
                .isInstanceOf(LaunchException.class)
                .hasMessageStartingWith("node rank 1 is taken by a launcher on ")
                .hasMessageEndingWith("; give each node another --node-rank");
        Files.createFile(folder.resolve("finish"));
        assertThat(first.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
        assertThat(second.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
    }

    @Test
    void strangersDoNotGetIn() throws Exception {
        CompletableFuture<LaunchReport> first = start(node(0, 1, "exit 0"));
        environment.put(JobToken.VARIABLE, "another secret altogether");
        Launcher stranger = build(node(1, 1, "exit 0").optJoinTimeout(Duration.ofSeconds(3)));
        assertThatThrownBy(stranger::run)
                .isInstanceOfAny(HandshakeException.class, StoreConnectionException.class);
        environment.put(JobToken.VARIABLE, "a secret for this test");
        assertThat(start(node(1, 1, "exit 0")).get(30, TimeUnit.SECONDS).outcome())
                .isEqualTo(Outcome.DONE);
        assertThat(first.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
    }

    @Test
    void nodesBeyondLoopbackNeedAToken() {
        environment.remove(JobToken.VARIABLE);
        assertThatThrownBy(() -> build(node(1, 1, "exit 0").optMasterAddress("192.0.2.1")).run())
                .isInstanceOf(ConfigurationException.class)
                .hasMessageContaining("YOLODDP_TOKEN_FILE");
    }

    @Test
    void nodesMayDoWithoutATokenIfToldSo() throws Exception {
        environment.remove(JobToken.VARIABLE);
        String script = "echo \"$YOLODDP_INSECURE_RENDEZVOUS $YOLODDP_TOKEN_FILE.\" > token.$RANK";
        CompletableFuture<LaunchReport> first =
                start(node(0, 1, script).optInsecureRendezvous(true));
        CompletableFuture<LaunchReport> second =
                start(node(1, 1, script).optInsecureRendezvous(true));
        assertThat(first.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
        assertThat(second.get(30, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.DONE);
        assertThat(folder.resolve("token.1")).content().isEqualTo("1 .\n");
    }

    private LauncherBuilder elastic(LauncherBuilder builder) {
        return builder.optNodes(NodeRange.parse("1:2")).optLastCall(Duration.ofSeconds(5));
    }

    private LauncherBuilder node(int rank, int processes, String script) {
        return Launcher.builder()
                .setCommand("sh", "-c", "cd '" + folder + "'; " + script)
                .optNodes(NodeRange.of(2))
                .optNodeRank(rank)
                .optMasterPort(port)
                .optProcesses(processes)
                .optJoinTimeout(Duration.ofSeconds(20))
                .optMonitorInterval(Duration.ofMillis(20))
                .optNoticeTimeout(Duration.ofMillis(100))
                .optConsole(out, out);
    }

    private CompletableFuture<LaunchReport> start(LauncherBuilder builder) {
        Launcher launcher = build(builder);
        return CompletableFuture.supplyAsync(launcher::run);
    }

    private Launcher build(LauncherBuilder builder) {
        return new Launcher(builder.settings(), environment);
    }

    private boolean exists(String file) {
        return Files.exists(folder.resolve(file));
    }
}
