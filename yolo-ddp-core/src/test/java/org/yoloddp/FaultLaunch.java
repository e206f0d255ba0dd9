package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;

/** Launches {@link FaultyTraining}s by the real launcher, in this JVM, and reads what they left. */
final class FaultLaunch {

    static final int STEP = 20;

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
                        Integer.toString(STEP)));
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

    LaunchReport run(Fault fault, int ranks, int failing) {
        LaunchReport report = builder(ranks, command(fault, failing)).build().run();
        assertNobodyIsLeft();
        return report;
    }

    Notice notice(int rank) {
        Path file = folder.resolve("notice." + rank);
        assertThat(file).as("what rank %d noticed; %s", rank, text()).exists();
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
