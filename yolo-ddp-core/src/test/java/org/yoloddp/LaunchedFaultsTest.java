package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.params.provider.EnumSource.Mode.INCLUDE;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.WorkerFailure;

/**
 * Real trainings as launched processes, and what befalls one rank of them: every other rank throws
 * the same typed failure in time, with all its fields, and the launcher's report has the same root
 * cause.
 */
@Tag("torch")
@Timeout(150)
@EnabledOnOs(value = OS.LINUX, disabledReason = "faults are signals, sent by kill")
class LaunchedFaultsTest {

    private static final int RANKS = 3;
    private static final String WHERE = "in phase 'training', (before|after|during) .+";

    @TempDir Path folder;

    /** The ranks go by {@code tcp}; other communicators have to find the same. */
    FaultLaunch launch() throws Exception {
        return new FaultLaunch(folder);
    }

    /** What befalls one rank, and what is known of it. */
    enum Row {
        KILL(1, 1000, WHERE, "it vanished without a word", "was ended by SIGKILL .*"),
        KILL_OF_RANK_0(0, 1000, WHERE, "it vanished without a word", "was ended by SIGKILL .*"),
        STOP(
                1,
                6000,
                WHERE,
                "no heartbeat for more than 5000 ms: it is stopped, starved or cut off",
                "was stopped, since it no longer took part; last error line: rank [02] says:"
                        + " RankFailedException: Rank 1 .*"),
        LOOP(
                1,
                75_000,
                WHERE,
                "no progress for more than 60000 ms while ranks? .* waits? for it",
                "was stopped, since it no longer took part; last error line: rank [02] says:"
                        + " RankFailedException: Rank 1 .*"),
        EXCEPTION(
                2,
                1000,
                "training",
                "java.lang.IllegalStateException: the sample is broken",
                "ended with exit code 1; last error line: RankFailedException: Rank 2 .*"),
        MEMORY(
                1,
                5000,
                "training",
                "java.lang.OutOfMemoryError: Java heap space",
                "ended with exit code 1; last error line: RankFailedException: Rank 1 .*"),
        LEAK(
                1,
                20_000,
                "training",
                "java.lang.OutOfMemoryError: Java heap space",
                "(was stopped, since it no longer took part|ended with exit code 1); .*"),
        EXIT(
                1,
                2000,
                WHERE,
                "it vanished without a word",
                "ended with exit code 0 while the others still needed it.*"),
        LOADER_HANGS(
                1,
                3500,
                WHERE,
                "org.yoloddp.train.LateBatchException: batch 0 of 4 of epoch 5 on rank 1 did not"
                        + " come within PT2S.*",
                "ended with exit code 1; last error line: LateBatchException: batch 0 of 4 .*"),
        LOADER_FAILS(
                1,
                1000,
                "training",
                "java.lang.StackOverflowError: decoding never ends",
                "ended with exit code 1; last error line: RankFailedException: Rank 1 .*"),
        /** Its line to the store is open, but nothing comes through. */
        MUTE(
                1,
                7000,
                "in phase '(training|finishing epoch 5)', (before|after|during) .+",
                "(no heartbeat for more than 5000 ms: it is stopped, starved or cut off"
                        + "|org.yoloddp.rendezvous.StoreLostException: .*)",
                "ended with exit code 1; last error line: StoreLostException: .*"),
        NAN_LOSS(
                1,
                1000,
                WHERE,
                "org.yoloddp.train.NonFiniteLossException: the loss term 'loss' is NaN on rank 1"
                        + " at step 20.*",
                "ended with exit code 1; last error line: NonFiniteLossException: .*"),
        NAN_GRADIENT(
                1,
                1000,
                WHERE,
                "org.yoloddp.ddp.NonFiniteGradientException: the gradient of '03Linear_bias' has an"
                        + " element that is NaN on rank 1 at step 20.*",
                "ended with exit code 1; last error line: NonFiniteGradientException: .*");

        final int rank;
        final long millis;
        final String operation;
        final String cause;
        final String report;

        Row(int rank, long millis, String operation, String cause, String report) {
            this.rank = rank;
            this.millis = millis;
            this.operation = operation;
            this.cause = cause;
            this.report = report;
        }

        Fault fault() {
            return this == KILL_OF_RANK_0 ? Fault.KILL : Fault.valueOf(name());
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Row.class,
            mode = INCLUDE,
            names = {"KILL", "EXIT"})
    @Tag("process")
    void theOtherRanksAndTheLauncherNameTheRank(Row row) throws Exception {
        check(row);
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    @Tag("slow")
    void whateverBefallsOneRankIsNamedByAll(Row row) throws Exception {
        check(row);
    }

    private void check(Row row) throws Exception {
        check(row, launch());
    }

    void check(Row row, FaultLaunch launch) {
        LaunchReport report = launch.run(row.fault(), RANKS, row.rank);
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.rank()).as(root.describe()).isEqualTo(row.rank);
        assertThat(root.consequence()).isFalse();
        assertThat(root.host()).isEqualTo(GroupContext.localHostId());
        assertThat(root.describe())
                .matches(
                        "(?s)rank %d \\(process %d on %s\\) %s"
                                .formatted(row.rank, root.pid(), root.host(), row.report));
        for (int rank = 0; rank < RANKS; rank++) {
            if (rank != row.rank) {
                check(row, rank, launch.notice(rank), root);
                assertThat(launch.notice(rank).message())
                        .isEqualTo(launch.notice(row.rank == 0 ? 1 : 0).message());
            }
        }
        assertThat(report.failures().subList(1, report.failures().size()))
                .allMatch(WorkerFailure::consequence)
                .hasSize(RANKS - 1);
    }

    /** What a rank that goes on finds out of the one that does not. */
    private static void check(Row row, int rank, Notice notice, WorkerFailure root) {
        assertThat(notice.type()).as("rank %d", rank).isEqualTo("RankFailedException");
        assertThat(notice.rank()).isEqualTo(row.rank);
        assertThat(notice.host()).isEqualTo(root.host());
        assertThat(notice.pid()).isEqualTo(root.pid());
        // Ranks of one host train on without the store, up to the end of the epoch.
        assertThat(notice.step())
                .as(notice.message())
                .isBetween(FaultLaunch.STEP, FaultLaunch.STEP + (row == Row.MUTE ? 4L : 0L));
        assertThat(notice.operation()).matches(row.operation);
        assertThat(notice.cause()).matches("(?s)" + row.cause);
        assertThat(notice.millis())
                .as("milliseconds until rank %d had ended", rank)
                .isBetween(0L, row.millis);
        assertThat(notice.stacks().contains("FaultyTraining.spin")).isEqualTo(row == Row.LOOP);
    }

    @Test
    @Tag("slow")
    void aDiskThatIsFullOnRankZeroIsNamedByAll() throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(
                shell("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk.toString()),
                "to mount a small disk takes root");
        try {
            FaultLaunch launch = launch();
            LaunchReport report = launch.run(Fault.DISK, RANKS, 0);
            assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
            WorkerFailure root = report.rootCause().orElseThrow();
            assertThat(root.rank()).as(root.describe()).isZero();
            assertThat(root.describe()).contains("RunFolderException").contains("No space left");
            for (int rank = 1; rank < RANKS; rank++) {
                Notice notice = launch.notice(rank);
                assertThat(notice.type()).as(notice.message()).isEqualTo("RankFailedException");
                assertThat(notice.rank()).isZero();
                assertThat(notice.host()).isEqualTo(root.host());
                assertThat(notice.pid()).isEqualTo(root.pid());
                assertThat(notice.cause())
                        .startsWith("org.yoloddp.report.RunFolderException: ")
                        .contains(disk.toString())
                        .contains("No space left");
                assertThat(notice.millis()).isBetween(0L, 5000L);
            }
        } finally {
            shell("umount", disk.toString());
        }
    }

    private static boolean shell(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        return process.waitFor(20, TimeUnit.SECONDS) && process.exitValue() == 0;
    }

    /** What the ranks find together: nobody is to blame, and all say the same. */
    private enum Disagreement {
        ORDER("CollectiveMismatchException", 3000),
        LENGTH("CollectiveMismatchException", 3000),
        DTYPE("CollectiveMismatchException", 3000),
        OPERATION("CollectiveMismatchException", 3000),
        PARAMETERS("ReplicaMismatchException", 3000);

        final String type;
        final long millis;

        Disagreement(String type, long millis) {
            this.type = type;
            this.millis = millis;
        }
    }

    @ParameterizedTest
    @EnumSource(Disagreement.class)
    @Tag("slow")
    void whatTheRanksDoDifferentlyIsToldByAll(Disagreement what) throws Exception {
        FaultLaunch launch = launch();
        LaunchReport report = launch.run(Fault.valueOf(what.name()), RANKS, 1);
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        assertThat(report.failures()).hasSize(RANKS);
        for (int rank = 0; rank < RANKS; rank++) {
            Notice notice = launch.notice(rank);
            assertThat(notice.type()).as(notice.message()).isEqualTo(what.type);
            assertThat(notice.message()).isEqualTo(launch.notice(0).message());
            assertThat(notice.millis()).isBetween(0L, what.millis);
            assertThat(report.failures().get(rank).cause())
                    .startsWith(what.type + ": " + notice.message().substring(0, 40));
        }
    }

    /** Each difference by name, on both sides, before anything is trained. */
    @Test
    @Tag("slow")
    void optionsThatDifferAreNamedByAll() {
        FaultLaunch launch = new FaultLaunch(folder);
        String beats =
                "[ $RANK = 1 ] && export YOLODDP_HEARTBEATS=silence=7s,stall=90s; exec \"$@\"";
        LaunchReport report =
                launch.run(
                        launch.builder(
                                RANKS, launch.command(Fault.OPTIONS, 1, "sh", "-c", beats, "sh")));
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.FAILED);
        for (int rank = 0; rank < RANKS; rank++) {
            Notice notice = launch.notice(rank);
            assertThat(notice.type()).as(notice.message()).isEqualTo("RendezvousRefusedException");
            assertThat(notice.message()).isEqualTo(launch.notice(0).message());
        }
        String message = launch.notice(0).message();
        assertThat(message).startsWith("The ranks differ: rank 1 (process ");
        assertThat(message.replaceAll(" \\(process \\d+ on \\S+\\)", ""))
                .contains("rank 1 has epochs 100001, rank 0 has 100000;")
                .contains("rank 1 has batch size 24, rank 0 has 12;")
                .contains("rank 1 has training samples 36, rank 0 has 48;")
                .contains("rank 1 has data set 36 samples, rank 0 has 48 samples;")
                .contains("rank 1 has heartbeat silence 7000 ms, rank 0 has 5000 ms;")
                .contains("rank 1 has stall timeout 90000 ms, rank 0 has 60000 ms.")
                .doesNotContain("rank 2");
        assertThat(report.failures()).hasSize(RANKS);
        assertThat(report.failures())
                .allSatisfy(
                        failure ->
                                assertThat(failure.cause())
                                        .isEqualTo("RendezvousRefusedException: " + message));
    }

    @Test
    @Tag("process")
    void exceptionIsTheRootCauseAndARestartTrainsOn() throws Exception {
        FaultLaunch launch = launch();
        LaunchReport report =
                launch.builder(2, launch.command(Fault.EXCEPTION, 1))
                        .optMaxRestarts(1)
                        .build()
                        .run();
        assertThat(report.outcome()).as(launch.text()).isEqualTo(Outcome.DONE);
        assertThat(report.restarts()).isEqualTo(1);
        assertThat(launch.notice(0).message()).isEqualTo(launch.notice(1).message());
        assertThat(launch.notice(0).rank()).isEqualTo(1);
        assertThat(folder.resolve("done.0"))
                .content()
                .isEqualTo(Files.readString(folder.resolve("done.1")))
                .hasSizeGreaterThan(64);
        launch.assertNobodyIsLeft();
    }
}
