package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.NodeRange;
import org.yoloddp.launch.WorkerFailure;
import org.yoloddp.rendezvous.StoreConnectionException;

/**
 * Real trainings as launched processes, and what befalls what they meet by: ports, the line between
 * two hosts, the process that serves the store, a rank that is not there.
 */
@Tag("torch")
@Timeout(110)
@EnabledOnOs(value = OS.LINUX, disabledReason = "faults are signals and filters of sockets")
class LaunchedNetworkFaultsTest {

    private static final String STORE_LOST =
            "The ranks of group 'world' have lost the store of the job, which process %d on .*"
                    + " served: .*\\. Without it the job cannot go on; see what ended that"
                    + " process\\.";

    @TempDir private Path folder;

    @Test
    @Tag("process")
    void ranksWhoseLauncherIsKilledSayThatTheStoreIsLost() throws Exception {
        FaultLaunch launch = new FaultLaunch(folder);
        List<String> rank = launch.command(Fault.NONE, 0);
        try (RunningLaunch job = launch.start(2, rank, LaunchedNode.UNTIED + "=true")) {
            job.awaitLog("rank 0 trains");
            job.awaitLog("rank 1 trains");
            kill(job);
            for (int r = 0; r < 2; r++) {
                assertStoreLost(launch, r, job.process().pid());
                assertThat(end(job.pid(r, 0))).isLessThan(3000);
            }
            launch.assertNobodyIsLeft();
        }
    }

    @Test
    @Tag("slow")
    void lossOfNodeZeroIsNamedByTheRanksAndTheLauncherOfTheOtherNode() throws Exception {
        FaultLaunch launch = new FaultLaunch(folder);
        List<String> rank = launch.command(Fault.NONE, 0);
        int port = FaultLaunch.freePort();
        try (RunningLaunch first = launch.startNode(0, port, 1, rank);
                RunningLaunch second = launch.startNode(1, port, 2, rank)) {
            first.awaitLog("rank 0 trains");
            second.awaitLog("rank 1 trains");
            second.awaitLog("rank 2 trains");
            kill(first);
            for (int r = 1; r <= 2; r++) {
                assertStoreLost(launch, r, first.process().pid());
            }
            // Its launcher's end is that of the command, which is not one of ours.
            assertThat(end(first.pid(0, 0))).isLessThan(3000);
            assertThat(second.report(Duration.ofSeconds(15)))
                    .startsWith(
                            "LaunchException: the launcher of node 0, which serves the job's store"
                                    + " at 127.0.0.1:"
                                    + port
                                    + ", is gone or cannot be reached (")
                    .endsWith(
                            "); this node's workers were stopped, and the job has ended: find out"
                                    + " why node 0 was lost, and start it again on all nodes");
            launch.assertNobodyIsLeft();
        }
    }

    private void kill(RunningLaunch job) throws IOException {
        Files.createFile(folder.resolve("fault"));
        job.process().destroyForcibly();
    }

    private void assertStoreLost(FaultLaunch launch, int rank, long server) {
        Notice notice = launch.awaitNotice(rank, Duration.ofSeconds(10));
        assertThat(notice.type()).as(notice.message()).isEqualTo("StoreLostException");
        assertThat(notice.message()).matches(STORE_LOST.formatted(server));
        assertThat(notice.millis()).as("rank %d", rank).isBetween(0L, 1000L);
    }

    /** Waits for the end of a process, and returns the milliseconds. */
    private static long end(long pid) throws Exception {
        long start = System.nanoTime();
        ProcessHandle handle = ProcessHandle.of(pid).orElse(null);
        if (handle != null) {
            handle.onExit().get(20, TimeUnit.SECONDS);
        }
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    }

    /** Rank 1 is deaf to its neighbours on other hosts, and they to it; the store hears all. */
    @Test
    @Tag("slow")
    void halfOpenLineBetweenHostsIsNamedByAll() {
        FaultLaunch launch = new FaultLaunch(folder);
        LaunchReport report =
                launch.run(
                        launch.builder(
                                3, launch.command(Fault.MUTE_DATA, 1, FaultLaunch.HOST_PER_RANK)));
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        assertThat(launch.text()).contains("3 ranks: [0] [1] [2]; those within brackets");
        Notice first = launch.notice(0);
        for (int rank = 0; rank < 3; rank++) {
            Notice notice = launch.notice(rank);
            assertThat(notice.type()).as(notice.message()).isEqualTo("RankFailedException");
            assertThat(notice.message()).isEqualTo(first.message());
            assertThat(notice.host()).isEqualTo("host" + notice.rank());
            assertThat(notice.operation())
                    .isEqualTo(
                            "when its connection broke (java.io.IOException: Connection timed out)");
            // Which of a line's ends is at fault cannot be known.
            assertThat(notice.cause())
                    .matches(
                            "nothing has come through between rank (1 and it|\\d and it), though"
                                    + " both are there: look at the network between their hosts");
            assertThat(notice.cause() + notice.rank()).contains("1");
            assertThat(notice.millis()).isBetween(0L, 8000L);
        }
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.rank()).as(root.describe()).isEqualTo(first.rank());
        assertThat(root.pid()).isEqualTo(first.pid());
        assertThat(root.cause()).isEqualTo("RankFailedException: " + first.message());
    }

    @Test
    @Tag("slow")
    void rankThatIsNeverStartedIsNamedByTheOthers() {
        FaultLaunch launch = new FaultLaunch(folder);
        String absent = "[ $RANK = 1 ] && exec sleep 60; exec \"$@\"";
        LaunchReport report =
                launch.run(
                        launch.builder(
                                3, launch.command(Fault.ABSENT, 0, "sh", "-c", absent, "sh")));
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        long patience = FaultyTraining.PATIENCE.toMillis();
        String message =
                ("Of 3 ranks, rank 1 did not come to the rendezvous within %d ms; these did: rank 0"
                                + " \\(process \\d+ on .*\\), rank 2 \\(process \\d+ on .*\\)\\. See the"
                                + " logs of the missing ones; all need the same MASTER_ADDR, MASTER_PORT"
                                + " and WORLD_SIZE, and each its RANK\\.")
                        .formatted(patience);
        for (int rank : new int[] {0, 2}) {
            Notice notice = launch.notice(rank);
            assertThat(notice.type()).as(notice.message()).isEqualTo("RendezvousTimeoutException");
            assertThat(notice.message()).matches(message).isEqualTo(launch.notice(0).message());
            assertThat(notice.millis()).isBetween(patience / 2, patience + 2000);
        }
        assertThat(report.failures()).hasSize(3);
        assertThat(report.failures().get(0).describe())
                .matches(
                        "rank 1 \\(on \\Q%s\\E\\) was stopped, since it no longer took part; last error line: rank"
                                        .formatted(GroupContext.localHostId())
                                + " [02] says: RendezvousTimeoutException: "
                                + message);
        assertThat(report.failures().subList(1, 3)).allMatch(WorkerFailure::consequence);
    }

    /** Rank 0 cannot serve on the port that the ranks were given; who holds it says nothing. */
    @Test
    @Tag("slow")
    void portThatASilentStrangerHoldsIsNamedByAll() throws IOException {
        try (ServerSocket stranger = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            String at = "127.0.0.1:" + stranger.getLocalPort();
            FaultLaunch launch = new FaultLaunch(folder);
            LaunchReport report =
                    launch.run(
                            launch.builder(2, launch.command(Fault.PORT, 0))
                                    .optWatchesInput(true)
                                    .optNoticeTimeout(FaultyTraining.PATIENCE.plusSeconds(4))
                                    .addEnvironment(ProcessWorld.ENDPOINT, at));
            assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
            assertThat(launch.notice(0).type()).isEqualTo("StoreConnectionException");
            assertThat(launch.notice(0).message()).isEqualTo(cannotListen(at));
            assertThat(launch.notice(0).millis()).isBetween(0L, 2000L);
            assertThat(launch.notice(1).type()).isEqualTo("StoreConnectionException");
            assertThat(launch.notice(1).message())
                    .matches(
                            ("No store at %1$s within %2$d ms: The handshake for 'store' with %1$s"
                                            + " failed: no answer within \\d+ ms\\. Another program"
                                            + " may hold this port, or the process hangs; see what"
                                            + " it does\\. Start the process that serves it \\(rank"
                                            + " 0, or the launcher of node 0\\), or correct"
                                            + " MASTER_ADDR and MASTER_PORT\\.")
                                    .formatted(at, FaultyTraining.PATIENCE.toMillis()));
            long patience = FaultyTraining.PATIENCE.toMillis();
            assertThat(launch.notice(1).millis()).isBetween(patience / 2, patience + 2000);
            assertThat(report.rootCause().orElseThrow().describe())
                    .matches(
                            "rank 0 \\(process \\d+ on .*\\) ended with exit code 1; last error line:"
                                    + " StoreConnectionException: \\Q"
                                    + cannotListen(at)
                                    + "\\E");
        }
    }

    private static String cannotListen(String at) {
        return "The store cannot listen on "
                + at
                + ": Address already in use. Choose another port (MASTER_PORT), or end the program"
                + " that uses it; the address must be one of this host.";
    }

    /** Before anything is started. */
    @Test
    @Tag("process")
    void launchersSayThatTheirPortIsInUseOrSilent() throws IOException {
        try (ServerSocket stranger = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            int port = stranger.getLocalPort();
            FaultLaunch launch = new FaultLaunch(folder);
            List<String> rank = launch.command(Fault.NONE, 0);
            Launcher first =
                    launch.builder(1, rank).optWatchesInput(true).optMasterPort(port).build();
            assertThatThrownBy(first::run)
                    .isInstanceOf(StoreConnectionException.class)
                    .hasMessage(cannotListen("127.0.0.1:" + port));
            Launcher second =
                    launch.builder(1, rank)
                            .optNodes(NodeRange.of(2))
                            .optNodeRank(1)
                            .optMasterPort(port)
                            .optJoinTimeout(Duration.ofMillis(500))
                            .build();
            assertThatThrownBy(second::run)
                    .isInstanceOf(StoreConnectionException.class)
                    .hasMessageMatching(
                            "No store at 127\\.0\\.0\\.1:%d within 500 ms: The handshake for 'store' with .*"
                                            .formatted(port)
                                    + " failed: no answer within \\d+ ms\\. Another program may hold"
                                    + " this port, or the process hangs; .*");
            assertThat(folder).isEmptyDirectory();
        }
    }
}
