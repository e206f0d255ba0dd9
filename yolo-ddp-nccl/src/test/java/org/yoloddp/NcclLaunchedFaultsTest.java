package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.WorkerFailure;
import org.yoloddp.nccl.TestDouble;

/**
 * The faults of {@link LaunchedFaultsTest} where all goes by {@code nccl}, over the test double:
 * the same types, in the same time; and what only NCCL can suffer.
 */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclLaunchedFaultsTest extends LaunchedFaultsTest {

    private static final int RANKS = 3;

    @Override
    FaultLaunch launch() throws Exception {
        return launch(Map.of());
    }

    private FaultLaunch launch(Map<String, String> settings, String... options) throws Exception {
        Map<String, String> environment = new TreeMap<>(Map.of("YOLODDP_COMMUNICATOR", "nccl"));
        settings.forEach((name, value) -> environment.put("YOLODDP_TEST_DOUBLE_" + name, value));
        List<String> all = new ArrayList<>(TestDouble.options());
        all.addAll(List.of(options));
        return new FaultLaunch(folder, all, environment);
    }

    @Override
    @ParameterizedTest
    @EnumSource(value = Row.class, names = "KILL")
    @Tag("process")
    void theOtherRanksAndTheLauncherNameTheRank(Row row) throws Exception {
        super.theOtherRanksAndTheLauncherNameTheRank(row);
    }

    @Override
    @Test
    @Tag("slow")
    void exceptionIsTheRootCauseAndARestartTrainsOn() throws Exception {
        super.exceptionIsTheRootCauseAndARestartTrainsOn();
    }

    /** Between GPUs of one host NCCL waits for a dead rank for ever. */
    @ParameterizedTest
    @EnumSource(
            value = Row.class,
            names = {"KILL", "KILL_OF_RANK_0", "STOP", "EXIT"})
    @Tag("slow")
    void rankIsNamedThoughNcclNeverNotices(Row row) throws Exception {
        check(row, launch(Map.of("TRANSPORT", "p2p")));
    }

    @Test
    @Tag("slow")
    void errorThatNcclFindsLaterIsToldByAll() throws Exception {
        FaultLaunch launch = launch(Map.of("FAULT", "error@1:60"));
        WorkerFailure root = root(launch, launch.run(Fault.NONE, RANKS, 1), 1);
        Notice first = launch.notice(0);
        assertThat(first.type()).isEqualTo("RankFailedException");
        assertThat(first.rank()).isEqualTo(1);
        assertThat(first.host()).isEqualTo(root.host());
        assertThat(first.pid()).isEqualTo(root.pid());
        assertThat(first.cause())
                .startsWith("org.yoloddp.nccl.NcclException: Rank 1 failed ")
                .endsWith(
                        ": remote process exited or there was a network error (yolo-ddp test"
                                + " double) (ncclRemoteError, 6): yolo-ddp test double: operation"
                                + " 60 of rank 1 fails, as the test asks. Another rank died or the"
                                + " network failed: look at the errors of the other ranks.");
        assertSameFailure(launch, first);
    }

    @Test
    @Tag("slow")
    void rankThatCannotConnectIsNamedByAll() throws Exception {
        FaultLaunch launch = launch(Map.of("FAULT", "init-fail@1"));
        WorkerFailure root = root(launch, launch.run(Fault.NONE, RANKS, 1), 1);
        Notice first = launch.notice(0);
        assertThat(first.type()).isEqualTo("RankFailedException");
        assertThat(first.rank()).isEqualTo(1);
        assertThat(first.pid()).isEqualTo(root.pid());
        assertThat(first.operation()).endsWith("before its first collective");
        assertThat(first.cause())
                .isEqualTo(
                        "org.yoloddp.nccl.NcclException: Rank 1 failed in a call that had returned"
                                + " during connect of group 'world': unhandled cuda error (yolo-ddp"
                                + " test double) (ncclUnhandledCudaError, 1): yolo-ddp test double:"
                                + " init of rank 1 fails, as the test asks. A call of CUDA failed:"
                                + " look for an earlier error of this rank, and whether driver and"
                                + " CUDA fit together ('yolo-ddp doctor').");
        assertSameFailure(launch, first);
    }

    @Test
    @Tag("slow")
    void collectiveThatHangsInNcclEndsAtTheDeadline() throws Exception {
        FaultLaunch launch =
                launch(Map.of("FAULT", "hang@1:60"), "-Dyoloddp.test.collectiveSeconds=12");
        LaunchReport report = launch.run(Fault.NONE, RANKS, 1);
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        Notice first = launch.notice(0);
        assertThat(first.type()).isEqualTo("CollectiveTimeoutException");
        assertThat(first.message())
                .matches(
                        ".*, collective 59 of group 'world', was not done within 12000 ms: all"
                                + " ranks came, but it did not end: .*, or raise the deadline\\.");
        assertSameFailure(launch, first);
    }

    @Test
    @Tag("slow")
    void connectingThatHangsEndsAtTheDeadline() throws Exception {
        FaultLaunch launch =
                launch(Map.of("FAULT", "init-hang@1"), "-Dyoloddp.test.collectiveSeconds=12");
        LaunchReport report = launch.run(Fault.NONE, RANKS, 1);
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        for (int rank = 0; rank < RANKS; rank++) {
            // Whoever is not the first to say so is told by that one.
            assertThat(launch.notice(rank).message())
                    .matches(
                            "(Rank \\d .*NcclRefusal: )?NCCL did not get through connect on rank"
                                    + " \\d within 12000 ms: a rank has not come, or cannot be"
                                    + " reached\\. Look at the other ranks, at NCCL_SOCKET_IFNAME and"
                                    + " at NCCL_DEBUG=INFO, or raise the deadline\\.( The other ranks"
                                    + " cannot go on; .*)?");
        }
    }

    /** The abort hangs on one rank, which its launcher ends; the others do not wait for it. */
    @Test
    @Tag("slow")
    void rankIsNamedThoughAnAbortHangs() throws Exception {
        FaultLaunch launch = launch(Map.of("TRANSPORT", "p2p", "FAULT", "abort-hang@2"));
        root(launch, launch.run(Fault.KILL, RANKS, 1), 1);
        Notice notice = launch.notice(0);
        assertThat(notice.type()).isEqualTo("RankFailedException");
        assertThat(notice.rank()).isEqualTo(1);
        assertThat(notice.cause()).isEqualTo("it vanished without a word");
        assertThat(notice.millis()).isBetween(0L, 1000L);
    }

    @Test
    @Tag("slow")
    void ranksWithOtherVersionsAreRefused() throws Exception {
        FaultLaunch launch = launch();
        String[] older = {
            "sh",
            "-c",
            "if [ $RANK = 1 ]; then export YOLODDP_TEST_DOUBLE_NCCL_VERSION=22501; fi; exec \"$@\"",
            "sh"
        };
        LaunchReport report =
                launch.builder(RANKS, launch.command(Fault.NONE, 1, older)).build().run();
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        Notice first = launch.notice(0);
        assertThat(first.type()).isEqualTo("NcclRefusal");
        assertThat(first.message())
                .isEqualTo(
                        "The ranks have different versions of NCCL: 2.26.2 on ranks 0, 2; 2.25.1"
                                + " on rank 1. Give all of them one libnccl, by"
                                + " -Dyoloddp.nccl.library=/file or by the same libtorch.");
        assertSameFailure(launch, first);
    }

    private static WorkerFailure root(FaultLaunch launch, LaunchReport report, int rank) {
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.rank()).as(root.describe()).isEqualTo(rank);
        return root;
    }

    private static void assertSameFailure(FaultLaunch launch, Notice first) {
        for (int rank = 0; rank < RANKS; rank++) {
            assertThat(launch.notice(rank).type()).as("rank %d", rank).isEqualTo(first.type());
            assertThat(launch.notice(rank).message()).isEqualTo(first.message());
        }
    }
}
