package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.rendezvous.JobToken;

/** Launches {@link FaultyTraining}s by the real launcher, in this JVM, and reads what they left. */
final class FaultLaunch {

    static final long STEP = 20;

    /** Words before a rank's command that let each be on a host of its own. */
    static final String[] HOST_PER_RANK = {
        "sh", "-c", "YOLODDP_HOST_ID=host$RANK; export YOLODDP_HOST_ID; exec \"$@\"", "sh"
    };

    private final Path folder;
    private final List<String> options;
    private final Map<String, String> environment;
    private final ByteArrayOutputStream output = new ByteArrayOutputStream();

    FaultLaunch(Path folder) {
        this(folder, List.of(), Map.of());
    }

    /** Launches with options of the ranks' JVMs, and with more in their environment. */
    FaultLaunch(Path folder, List<String> options, Map<String, String> environment) {
        this.folder = folder;
        this.options = options;
        this.environment = environment;
    }

    /** The command of a rank; words before it may change its environment. */
    List<String> command(Fault fault, int failing, String... before) {
        List<String> words = new ArrayList<>(List.of(before));
        words.addAll(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx192m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1"));
        words.addAll(options);
        words.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        FaultyTraining.class.getName(),
                        folder.toString(),
                        fault.name(),
                        Integer.toString(failing),
                        Long.toString(STEP)));
        return words;
    }

    LauncherBuilder builder(int ranks, List<String> command) {
        LauncherBuilder builder =
                Launcher.builder()
                        .setCommand(command)
                        .optProcesses(ranks)
                        .optConsole(output, output);
        environment.forEach(builder::addEnvironment);
        return builder;
    }

    /** Starts the launcher of the only node as a process of its own, with a system property. */
    RunningLaunch start(int ranks, List<String> command, String property) {
        List<String> words = LaunchedNode.command(0, 1, "127.0.0.1", 0, ranks, folder, command);
        words.add(1, "-D" + property);
        return new RunningLaunch(folder, 0, words, Map.of());
    }

    /** Starts the launcher of one of two nodes as a process of its own. */
    RunningLaunch startNode(int node, int port, int ranks, List<String> command) {
        return new RunningLaunch(
                folder,
                node,
                LaunchedNode.command(node, 2, "127.0.0.1", port, ranks, folder, command),
                Map.of(JobToken.VARIABLE, "a secret of this test"));
    }

    /** A port that is free now. */
    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    LaunchReport run(Fault fault, int ranks, int failing) {
        return run(builder(ranks, command(fault, failing)));
    }

    LaunchReport run(LauncherBuilder builder) {
        LaunchReport report = builder.build().run();
        assertNobodyIsLeft();
        return report;
    }

    Notice notice(int rank) {
        Path file = folder.resolve("notice." + rank);
        assertThat(file).as("what rank %d noticed; %s", rank, text()).exists();
        return Notice.read(file);
    }

    /** The same of a rank whose launcher is gone, so that nothing says when it has ended. */
    Notice awaitNotice(int rank, Duration limit) {
        Path file = folder.resolve("notice." + rank);
        long end = System.nanoTime() + limit.toNanos();
        while (!Files.exists(file)) {
            assertThat(System.nanoTime() - end).as("rank %d says nothing", rank).isNegative();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
        return Notice.read(file);
    }

    /** No process that a launch has started lives on, nor its shared memory. */
    void assertNobodyIsLeft() {
        try (Stream<Path> files = Files.list(folder);
                Stream<Path> segments = Files.list(Path.of("/dev/shm"))) {
            List<String> memory = segments.map(file -> file.getFileName().toString()).toList();
            for (Path file :
                    files.filter(f -> f.getFileName().toString().startsWith("pid.")).toList()) {
                long pid = Long.parseLong(Files.readString(file));
                assertThat(ProcessHandle.of(pid).filter(ProcessHandle::isAlive))
                        .as("%s of a launch that is over", file.getFileName())
                        .isEmpty();
                assertThat(memory).noneMatch(name -> name.matches("yolo-ddp-\\d+-" + pid + "-.*"));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String text() {
        return output.toString(StandardCharsets.UTF_8);
    }
}
