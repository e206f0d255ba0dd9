package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.testing.JavaProcess;

/** Real processes, which are small shell scripts. */
@Tag("process")
@Timeout(60)
@EnabledOnOs(value = OS.LINUX, disabledReason = "the workers are shell scripts that read /proc")
class LauncherTest {

    @TempDir private Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @Test
    void workersGetTorchrunsEnvironmentAndOurs() throws IOException {
        LaunchReport report =
                launcher(2, "env > env.$RANK; stat -c %a $YOLODDP_TOKEN_FILE > mode.$RANK")
                        .optMaxRestarts(3)
                        .optRunId("job-7")
                        .addEnvironment("GREETING", "hello")
                        .build()
                        .run();
        assertThat(report).isEqualTo(new LaunchReport(Outcome.DONE, 0, 1, List.of()));
        Map<String, String> first = environment("env.0");
        Map<String, String> second = environment("env.1");
        assertThat(first)
                .containsEntry("RANK", "0")
                .containsEntry("LOCAL_RANK", "0")
                .containsEntry("WORLD_SIZE", "2")
                .containsEntry("LOCAL_WORLD_SIZE", "2")
                .containsEntry("GROUP_RANK", "0")
                .containsEntry("GROUP_WORLD_SIZE", "1")
                .containsEntry("ROLE_RANK", "0")
                .containsEntry("ROLE_WORLD_SIZE", "2")
                .containsEntry("MASTER_ADDR", "127.0.0.1")
                .containsEntry("TORCHELASTIC_RUN_ID", "job-7")
                .containsEntry("TORCHELASTIC_RESTART_COUNT", "0")
                .containsEntry("TORCHELASTIC_MAX_RESTARTS", "3")
                .containsEntry("MALLOC_ARENA_MAX", "1")
                .containsEntry("MALLOC_TRIM_THRESHOLD_", "8589934592")
                .containsEntry("YOLODDP_GENERATION", "0")
                .containsEntry("GREETING", "hello")
                .containsKeys("OMP_NUM_THREADS", "TORCHELASTIC_ERROR_FILE", "MASTER_PORT")
                .doesNotContainKeys("YOLODDP_TOKEN", "YOLODDP_LAUNCHER_PIPE");
        assertThat(first.get("YOLODDP_STORE")).startsWith("127.0.0.1:");
        assertThat(first.get("YOLODDP_STORE")).doesNotEndWith(":" + first.get("MASTER_PORT"));
        assertThat(second).containsEntry("RANK", "1").containsEntry("LOCAL_RANK", "1");
        assertThat(second.get("MASTER_PORT")).isEqualTo(first.get("MASTER_PORT"));
        assertThat(folder.resolve("mode.0")).content().isEqualTo("600\n");
        assertThat(Path.of(first.get("YOLODDP_TOKEN_FILE"))).doesNotExist();
    }

    @Test
    void removesWhatLaunchersHaveLeftThatAreGone() throws IOException {
        String prefix = OwnerInName.prefix();
        String[] own = prefix.split("-", -1);
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        Path left = temporary.resolve("yolo-ddp-launch-" + own[0] + "-" + own[1] + "-1-77");
        Path used = temporary.resolve("yolo-ddp-launch-" + prefix + "77");
        try {
            for (Path path : List.of(left, used)) {
                Files.writeString(Files.createDirectory(path).resolve("token"), "secret");
            }
            assertThat(launcher(1, "true").build().run().outcome()).isEqualTo(Outcome.DONE);
            assertThat(left).doesNotExist();
            assertThat(used.resolve("token")).hasContent("secret");
        } finally {
            for (Path path : List.of(left, used)) {
                Files.deleteIfExists(path.resolve("token"));
                Files.deleteIfExists(path);
            }
        }
    }

    @Test
    void commandThatWatchesItsInputGetsTheLaunchersPort() throws IOException {
        // cat ends when its input does: after the launcher, which would be never, or by a signal.
        LauncherBuilder builder = launcher(1, "env > env.$RANK").optWatchesInput(true);
        assertThat(builder.build().run().outcome()).isEqualTo(Outcome.DONE);
        Map<String, String> found = environment("env.0");
        assertThat(found).containsEntry("YOLODDP_LAUNCHER_PIPE", "1");
        assertThat(found.get("YOLODDP_STORE")).isEqualTo("127.0.0.1:" + found.get("MASTER_PORT"));
    }

    @Test
    void killedWorkerIsTheRootCauseAndTheOthersAreStopped() {
        LaunchReport report =
                launcher(
                                3,
                                "[ $RANK = 1 ] && { echo 'about to go' >&2; kill -9 $$; };"
                                        + " exec sleep 60")
                        .build()
                        .run();
        assertThat(report.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(report.failures()).hasSize(1);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThat(root.rank()).isEqualTo(1);
        assertThat(root.signal()).contains("SIGKILL");
        assertThat(root.describe())
                .isEqualTo(
                        "rank 1 (process "
                                + root.pid()
                                + " on "
                                + root.host()
                                + ") was ended by SIGKILL (exit code 137); last error line: about"
                                + " to go");
        assertThatThrownBy(report::orThrow)
                .isInstanceOf(WorkerFailedException.class)
                .hasMessage(root.describe());
    }

    @Test
    void restartsAllWithACountUntilTheyEndWell() throws IOException {
        LaunchReport report =
                launcher(
                                2,
                                "echo $TORCHELASTIC_RESTART_COUNT $YOLODDP_GENERATION >> runs.$RANK;"
                                        + " [ $TORCHELASTIC_RESTART_COUNT = 2 ] && exit 0;"
                                        + " [ $RANK = 0 ] && exec sleep 60; exit 3")
                        .optMaxRestarts(4)
                        .build()
                        .run();
        assertThat(report).isEqualTo(new LaunchReport(Outcome.DONE, 2, 3, List.of()));
        assertThat(folder.resolve("runs.0")).content().isEqualTo("0 0\n1 1\n2 2\n");
        assertThat(folder.resolve("runs.1")).content().isEqualTo("0 0\n1 1\n2 2\n");
    }

    @Test
    void failureAfterTheLastRestartIsReported() {
        LaunchReport report = launcher(1, "exit 7").optMaxRestarts(1).build().run();
        assertThat(report.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(report.restarts()).isEqualTo(1);
        WorkerFailure root = report.rootCause().orElseThrow();
        assertThatThrownBy(report::orThrow)
                .hasMessage(
                        "rank 0 (process "
                                + root.pid()
                                + " on "
                                + root.host()
                                + ") ended with exit code 7; restarts used up: 1");
    }

    @Test
    void whatTheWorkersHaveStartedEndsWithThem() throws IOException {
        // One that its parent waits for, one that nobody waits for, and one that ignores SIGTERM.
        LaunchReport report =
                launcher(
                                1,
                                "(trap '' TERM; sleep 60 & echo $! >> pids; wait; sleep 60) &"
                                        + " echo $! >> pids;"
                                        + " (sleep 60 & echo $! >> pids);"
                                        + " while [ $(wc -l < pids) -lt 3 ]; do :; done;"
                                        + " kill -9 $$")
                        .build()
                        .run();
        assertThat(report.outcome()).isEqualTo(Outcome.FAILED);
        List<String> pids = Files.readAllLines(folder.resolve("pids"));
        assertThat(pids).hasSize(3);
        for (String pid : pids) {
            assertThat(eventually(() -> !isAlive(Long.parseLong(pid)))).as(pid).isTrue();
        }
    }

    @Test
    void workerThatIgnoresTheRequestIsKilledInTime() {
        long start = System.nanoTime();
        LaunchReport report =
                launcher(
                                2,
                                "[ $RANK = 1 ] && { while [ ! -e ready ]; do :; done; exit 1; };"
                                        + " trap '' TERM; touch ready; while :; do sleep 1; done")
                        .optStopTimeout(Duration.ofMillis(300))
                        .build()
                        .run();
        assertThat(report.rootCause().orElseThrow().rank()).isEqualTo(1);
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
    }

    @Test
    void stopIsPassedOnAsTheSignalThatItWas() throws Exception {
        Launcher launcher =
                launcher(
                                2,
                                "trap 'echo int > got.$RANK; exit 0' INT;"
                                        + " trap 'echo term > got.$RANK; exit 0' TERM;"
                                        + " touch up.$RANK; while :; do sleep 0.05; done")
                        .build();
        CompletableFuture<LaunchReport> running = CompletableFuture.supplyAsync(launcher::run);
        assertThat(eventually(() -> exists("up.0") && exists("up.1"))).isTrue();
        launcher.stop(StopSignal.INTERRUPT);
        assertThat(running.get(20, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.INTERRUPTED);
        assertThat(folder.resolve("got.0")).content().isEqualTo("int\n");
        assertThat(folder.resolve("got.1")).content().isEqualTo("int\n");
    }

    @Test
    void killEndsAtOnceThoseWhoTakeTheirTime() throws Exception {
        Launcher launcher =
                launcher(1, "trap '' INT TERM; touch up; while :; do sleep 0.05; done").build();
        CompletableFuture<LaunchReport> running = CompletableFuture.supplyAsync(launcher::run);
        assertThat(eventually(() -> exists("up"))).isTrue();
        launcher.stop(StopSignal.TERMINATE);
        launcher.kill();
        assertThat(running.get(20, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.INTERRUPTED);
    }

    @Test
    void outputIsPrefixedAndKept() throws IOException {
        Path logs = folder.resolve("logs");
        LaunchReport report =
                launcher(2, "echo out $RANK; echo err $RANK >&2; printf 'no newline'; exit $RANK")
                        .optLogFolder(logs)
                        .optRunId("kept")
                        .build()
                        .run();
        assertThat(text(out).lines())
                .contains("[rank 0] out 0", "[rank 0] no newline")
                .allMatch(line -> line.startsWith("[rank "));
        assertThat(text(err)).contains("[rank 1] err 1\n");
        Path log = logs.resolve("kept/generation_0/rank_1/stderr.log");
        assertThat(log).content().isEqualTo("err 1\n");
        assertThat(logs.resolve("kept/generation_0/rank_0/stdout.log"))
                .content()
                .isEqualTo("out 0\nno newline");
        assertThat(report.rootCause().orElseThrow().describe())
                .endsWith("ended with exit code 1; last error line: err 1; log file: " + log);
    }

    @Test
    void redirectedStreamsStayOffTheConsoleAndTeesAreOnBoth() {
        Path logs = folder.resolve("logs");
        launcher(2, "echo out $RANK; echo err $RANK >&2")
                .optLogFolder(logs)
                .optRunId("some")
                .optRedirects(StreamSelection.parse("0:3"))
                .optTee(StreamSelection.parse("1:1"))
                .build()
                .run();
        assertThat(text(out)).isEqualTo("[rank 1] out 1\n");
        assertThat(text(err)).isEqualTo("[rank 1] err 1\n");
        assertThat(logs.resolve("some/generation_0/rank_0/stdout.log")).hasContent("out 0");
        assertThat(logs.resolve("some/generation_0/rank_1/stdout.log")).hasContent("out 1");
        assertThat(logs.resolve("some/generation_0/rank_1/stderr.log")).doesNotExist();
    }

    @Test
    void oneWorkersOutputIsPassedOnAsItIs() {
        launcher(1, "echo plain").build().run();
        assertThat(text(out)).isEqualTo("plain\n");
    }

    @Test
    void clashOfAPortThatWasFreeIsForgivenOnce() {
        String clash = "echo 'OSError: [Errno 98] Address already in use' >&2; exit 1";
        LaunchReport report =
                launcher(
                                1,
                                "echo $MASTER_PORT >> ports; [ $(wc -l < ports) = 2 ] || { "
                                        + clash
                                        + "; }")
                        .build()
                        .run();
        assertThat(report).isEqualTo(new LaunchReport(Outcome.DONE, 0, 2, List.of()));
        assertThat(launcher(1, clash).build().run().outcome()).isEqualTo(Outcome.FAILED);
    }

    @Test
    void missingProgramIsNamed() {
        Launcher launcher =
                Launcher.builder()
                        .setCommand("/nowhere/program", "--option")
                        .optConsole(out, err)
                        .build();
        // setsid starts and says so; where there is none, Java does.
        Optional<WorkerFailure> root = launcher.run().rootCause();
        assertThat(root.orElseThrow().cause()).contains("/nowhere/program", "No such file");
    }

    @Test
    void foreignCommandsDieWithAKilledLauncher() {
        assumeTrue(ProcessTools.of(System.getenv("PATH")).canTieToParent(), "there is no setpriv");
        JavaProcess.Running launcher = JavaProcess.of(SleepingJob.class).start();
        assertThat(eventually(() -> pids(launcher).size() == 2)).isTrue();
        List<Long> pids = pids(launcher);
        assertThat(pids).allMatch(LauncherTest::isAlive);
        launcher.process().destroyForcibly();
        for (long pid : pids) {
            assertThat(eventually(() -> !isAlive(pid))).isTrue();
        }
        assertThat(launcher.await().exitCode()).isEqualTo(137);
    }

    /** Whoever is stopped does not see that its input has ended; without setpriv it stays. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void stoppedWorkersOfAKilledLauncherAreWokenToSeeTheirInputEnd(boolean setpriv)
            throws IOException {
        assumeTrue(ProcessTools.of(System.getenv("PATH")).canTieToParent(), "there is no setpriv");
        Path tools = Files.createDirectory(folder.resolve("bin"));
        for (String tool : setpriv ? List.of("setpriv", "setsid", "kill") : List.of("kill")) {
            Files.createSymbolicLink(tools.resolve(tool), Path.of("/usr/bin", tool));
        }
        Files.createSymbolicLink(tools.resolve("sh"), Path.of("/bin/sh"));
        JavaProcess.Running launcher =
                JavaProcess.of(SleepingJob.class, "watching").env("PATH", tools.toString()).start();
        assertThat(eventually(() -> pids(launcher).size() == 2)).isTrue();
        List<Long> pids = pids(launcher);
        ProcessTools system = ProcessTools.of(System.getenv("PATH"));
        pids.forEach(pid -> system.send("STOP", pid));
        assertThat(eventually(() -> pids.stream().allMatch(ProcessTools::isStopped))).isTrue();
        launcher.process().destroyForcibly();
        assertThat(launcher.await().exitCode()).isEqualTo(137);
        if (setpriv) {
            assertThat(eventually(() -> pids.stream().noneMatch(LauncherTest::isAlive))).isTrue();
        } else {
            assertThat(pids).allMatch(ProcessTools::isStopped);
            pids.forEach(pid -> system.send(ProcessTools.KILL, pid));
        }
    }

    @Test
    void stoppedWorkersEndInGoodOrderWhenAskedTo() throws Exception {
        Launcher launcher =
                launcher(
                                2,
                                "trap 'touch ended.$RANK; exit 0' TERM; touch up.$RANK;"
                                        + " kill -STOP $$; while :; do sleep 0.05; done")
                        .optInterruptTimeout(Duration.ofSeconds(100))
                        .build();
        CompletableFuture<LaunchReport> running = CompletableFuture.supplyAsync(launcher::run);
        assertThat(eventually(() -> exists("up.0") && exists("up.1"))).isTrue();
        launcher.stop(StopSignal.TERMINATE);
        assertThat(running.get(20, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.INTERRUPTED);
        assertThat(exists("ended.0") && exists("ended.1")).isTrue();
    }

    /** BusyBox has one, and so had util-linux before 2.33. */
    @Test
    void setprivThatKnowsNoFarewellsIsNotUsed() throws IOException {
        Path program = Files.writeString(folder.resolve("setpriv"), "#!/bin/sh\nexit 1\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
        ProcessTools old = ProcessTools.of(folder.toString());
        assertThat(old.canTieToParent()).isFalse();
        assertThat(old.wrap(List.of("train"), ProcessTools.KILL)).containsExactly("train");
        Files.writeString(program, "#!/bin/sh\nexit 0\n");
        assertThat(ProcessTools.of(folder.toString()).wrap(List.of("train"), ProcessTools.KILL))
                .containsExactly(program.toString(), "--pdeathsig", "KILL", "train");
    }

    private static List<Long> pids(JavaProcess.Running launcher) {
        return launcher.output()
                .lines()
                .filter(line -> line.contains("pid="))
                .map(line -> Long.parseLong(line.substring(line.indexOf('=') + 1)))
                .toList();
    }

    @Test
    void launcherRunsOnce() {
        Launcher launcher = launcher(1, "true").build();
        launcher.run();
        assertThatThrownBy(launcher::run)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("A launcher runs once; build another");
    }

    private LauncherBuilder launcher(int processes, String script) {
        return Launcher.builder()
                .setCommand("sh", "-c", "cd '" + folder + "'; " + script)
                .optProcesses(processes)
                .optMonitorInterval(Duration.ofMillis(20))
                .optNoticeTimeout(Duration.ofMillis(100))
                .optConsole(out, err);
    }

    private Map<String, String> environment(String file) throws IOException {
        Map<String, String> map = new TreeMap<>();
        for (String line : Files.readAllLines(folder.resolve(file))) {
            int end = line.indexOf('=');
            if (end > 0) {
                map.put(line.substring(0, end), line.substring(end + 1));
            }
        }
        return map;
    }

    private boolean exists(String file) {
        return Files.exists(folder.resolve(file));
    }

    private static String text(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** A zombie whose new parent is slow to take notice is dead. */
    static boolean isAlive(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            return !stat.substring(stat.lastIndexOf(')')).startsWith(") Z");
        } catch (IOException e) {
            return false;
        }
    }

    static boolean eventually(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                return false;
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
        return true;
    }
}
