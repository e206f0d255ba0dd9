package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.examples.MarkedProcesses.Marked;

/**
 * The toy job, launched as a user launches it, by a launcher in a process of its own; it is watched
 * until nothing of it is left, or it has had its time.
 */
final class FaultyJob {

    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
    private static final long LOOK_AT_PORTS_NANOS = TimeUnit.MILLISECONDS.toNanos(150);
    private static final Duration PAUSE = Duration.ofSeconds(7);

    /** How long ranks may take to end when their launcher is gone: a last step. */
    private static final Duration LAST_STEP = Duration.ofSeconds(15);

    /** For the system to take notice of the end of what the launcher has waited for. */
    private static final Duration MOMENT = Duration.ofSeconds(1);

    /**
     * What is launched.
     *
     * @param ranks how many
     * @param restarts how many there may be
     * @param foreign whether the ranks are launched as a command that the launcher does not know
     * @param job the toy
     * @param stubborn a rank that resists SIGTERM, -1 for none
     * @param blow what comes from outside
     * @param temporary the folder for temporary files of all of its processes
     * @param limit after which it hangs
     */
    record Setup(
            int ranks,
            int restarts,
            boolean foreign,
            FaultyRank.Job job,
            int stubborn,
            @Nullable Blow blow,
            Path temporary,
            Duration limit) {}

    /**
     * What came of it.
     *
     * @param exitCode of the launcher, -1 if it hung
     * @param time until the launcher had ended
     * @param blown whether the blow came, before the end
     * @param untilAllEnded from the blow until no process was left
     * @param stuck stacks of the processes that were there still at the limit
     * @param orphans what was left when the launcher had ended
     * @param leftPorts ports on which something listened still
     * @param listened how many sockets it had listened on
     * @param processes the numbers of all of its processes
     * @param output of launcher and ranks
     */
    record Result(
            int exitCode,
            Duration time,
            boolean blown,
            Duration untilAllEnded,
            List<String> stuck,
            List<String> orphans,
            List<String> leftPorts,
            int listened,
            Set<Long> processes,
            String output) {}

    private final Setup setup;
    private final MarkedProcesses processes = new MarkedProcesses();
    private long waitedForSince;
    private boolean blown;
    private long blownAt;
    private long lookedAtPorts;

    FaultyJob(Setup setup) {
        this.setup = setup;
    }

    /** Runs it. */
    Result run() throws IOException {
        Path output = Files.createTempFile(setup.job().folder(), "output", ".txt");
        ProcessBuilder builder =
                new ProcessBuilder(command())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        builder.environment().put(MarkedProcesses.VARIABLE, processes.mark());
        long start = System.nanoTime();
        Process launcher = builder.start();
        long end = start + setup.limit().toNanos();
        while (launcher.isAlive() && System.nanoTime() < end) {
            look(launcher);
            LockSupport.parkNanos(LOOK_NANOS);
        }
        Duration time = Duration.ofNanos(System.nanoTime() - start);
        List<String> stuck = launcher.isAlive() ? endAll() : List.of();
        Duration grace = blown && blow().kind().endsLauncherAtOnce() ? LAST_STEP : MOMENT;
        long graceEnd = System.nanoTime() + grace.toNanos();
        while (isAnyLeft() && System.nanoTime() < graceEnd) {
            LockSupport.parkNanos(LOOK_NANOS / 2);
        }
        Duration untilAllEnded = Duration.ofNanos(System.nanoTime() - blownAt);
        List<String> orphans = isAnyLeft() ? endAll() : List.of();
        return new Result(
                stuck.isEmpty() ? launcher.exitValue() : -1,
                time,
                blown,
                untilAllEnded,
                stuck,
                orphans,
                processes.leftPorts(),
                processes.listened(),
                processes.seen(),
                new String(Files.readAllBytes(output), StandardCharsets.UTF_8));
    }

    private boolean isAnyLeft() {
        return !processes.alive().isEmpty() || !processes.unended().isEmpty();
    }

    private Blow blow() {
        return Optional.ofNullable(setup.blow()).orElseThrow();
    }

    private List<String> command() {
        FaultyRank.Job job = setup.job();
        List<String> rank =
                new ArrayList<>(
                        List.of(
                                "bench",
                                "faults-rank",
                                "--folder=" + job.folder(),
                                "--steps=" + job.steps(),
                                "--pace-ms=" + job.paceMillis(),
                                "--hosts=" + job.hosts(),
                                "--stubborn=" + setup.stubborn()));
        job.faults().forEach(fault -> rank.add("--fault=" + fault.option()));
        List<String> launch =
                new ArrayList<>(
                        List.of(
                                "launch",
                                "--nproc-per-node=" + setup.ranks(),
                                "--max-restarts=" + setup.restarts(),
                                "--stop-timeout=3"));
        if (setup.foreign()) {
            launch.add("--");
            launch.addAll(own(rank));
        } else {
            launch.addAll(rank);
        }
        return own(launch);
    }

    /** Short lives: what the JVM would gain by compiling well is never earned back. */
    private List<String> own(List<String> arguments) {
        return OwnCommand.command(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                List.of(
                        "-Xmx200m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Djava.io.tmpdir=" + setup.temporary()),
                System.getProperty("java.class.path"),
                arguments);
    }

    private void look(Process launcher) {
        long now = System.nanoTime();
        boolean waitsForBlow = setup.blow() != null && !blown;
        if (!waitsForBlow && now - lookedAtPorts < LOOK_AT_PORTS_NANOS) {
            return;
        }
        List<Marked> alive = processes.alive();
        if (now - lookedAtPorts >= LOOK_AT_PORTS_NANOS) {
            lookedAtPorts = now;
            processes.noteListening(alive);
        }
        if (waitsForBlow) {
            awaitBlow(launcher, alive, now);
        }
    }

    private void awaitBlow(Process launcher, List<Marked> alive, long now) {
        Blow blow = blow();
        boolean there =
                alive.stream()
                        .anyMatch(
                                process ->
                                        process.generation() == blow.generation()
                                                && process.rank().equals(Optional.of(blow.rank())));
        if (there && waitedForSince == 0) {
            waitedForSince = now;
        }
        if (waitedForSince != 0
                && now - waitedForSince >= TimeUnit.MILLISECONDS.toNanos(blow.delayMillis())) {
            blown = true;
            blownAt = System.nanoTime();
            strike(blow, launcher, alive);
        }
    }

    private void strike(Blow blow, Process launcher, List<Marked> alive) {
        List<Long> ranks = new ArrayList<>();
        for (Marked process : alive) {
            if (process.generation() == blow.generation() && process.rank().isPresent()) {
                ranks.add(process.pid());
            }
        }
        List<Long> one =
                alive.stream()
                        .filter(process -> process.generation() == blow.generation())
                        .filter(process -> process.rank().equals(Optional.of(blow.rank())))
                        .map(Marked::pid)
                        .toList();
        switch (blow.kind()) {
            case KILL_RANK -> signal("KILL", one);
            case KILL_RANKS -> signal("KILL", ranks);
            case TERM_RANK -> signal("TERM", one);
            case KILL_LAUNCHER -> signal("KILL", List.of(launcher.pid()));
            case KILL_ALL -> {
                ranks.add(0, launcher.pid());
                signal("KILL", ranks);
            }
            case TERM_LAUNCHER -> signal("TERM", List.of(launcher.pid()));
            case INTERRUPT_TWICE -> {
                signal("INT", List.of(launcher.pid()));
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(300));
                signal("INT", List.of(launcher.pid()));
            }
            case TERM_ALL -> {
                ranks.add(launcher.pid());
                signal("TERM", ranks);
            }
            case PAUSE_LAUNCHER -> {
                signal("STOP", List.of(launcher.pid()));
                LockSupport.parkNanos(PAUSE.toNanos());
                signal("CONT", List.of(launcher.pid()));
            }
        }
    }

    /** All at once, by one kill(1). */
    private static void signal(String name, List<Long> pids) {
        if (!pids.isEmpty()) {
            MarkedProcesses.signal(name, pids);
        }
    }

    /** Ends what is left, and tells what it did. */
    private List<String> endAll() {
        List<String> told = new ArrayList<>();
        List<Long> alive = processes.alive().stream().map(Marked::pid).toList();
        processes.unended().stream()
                .filter(pid -> !alive.contains(pid))
                .forEach(
                        pid ->
                                told.add(
                                        "process "
                                                + pid
                                                + ", which is about to end, but does not"));
        for (Marked process : processes.alive()) {
            MarkedProcesses.signal("CONT", List.of(process.pid()));
            told.add(
                    "process "
                            + process.pid()
                            + process.rank().map(rank -> ", rank " + rank).orElse("")
                            + (process.generation() < 0 ? "" : " of start " + process.generation())
                            + ":\n"
                            + MarkedProcesses.stacks(process.pid()));
        }
        for (Marked process : processes.alive()) {
            MarkedProcesses.signal("KILL", List.of(process.pid()));
        }
        return told;
    }
}
