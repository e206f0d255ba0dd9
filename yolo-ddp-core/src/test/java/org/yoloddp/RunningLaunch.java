package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A launcher that is a process of its own, and what can be known of it and its ranks meanwhile. */
final class RunningLaunch implements AutoCloseable {

    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final Path folder;
    private final int node;
    private final Process launcher;

    /** Starts the command of a {@link LaunchedNode}; its log and that of its ranks go to a file. */
    RunningLaunch(Path folder, int node, List<String> command, Map<String, String> environment) {
        this.folder = folder;
        this.node = node;
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(folder.resolve("log." + node).toFile());
            builder.environment().putAll(environment);
            launcher = builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Process process() {
        return launcher;
    }

    String log() {
        return read(folder.resolve("log." + node));
    }

    /** What came of the launch; waits for its end. */
    String report(Duration limit) {
        await("the launcher's end", limit, () -> !launcher.isAlive());
        return read(folder.resolve("report." + node));
    }

    private static String read(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The process of a rank of a {@link FaultyTraining}, once it runs. */
    long pid(int rank, int restart) {
        Path file = folder.resolve("pid." + rank + "." + restart);
        await("rank " + rank, Duration.ofSeconds(60), () -> Files.exists(file));
        await("its number", Duration.ofSeconds(5), () -> !read(file).isEmpty());
        return Long.parseLong(read(file));
    }

    /** The environment of a process. */
    static Map<String, String> environment(long pid) throws IOException {
        String text =
                new String(
                        Files.readAllBytes(Path.of("/proc", Long.toString(pid), "environ")),
                        StandardCharsets.UTF_8);
        Map<String, String> variables = new HashMap<>();
        Arrays.stream(text.split("\0"))
                .filter(line -> line.indexOf('=') > 0)
                .forEach(
                        line ->
                                variables.put(
                                        line.substring(0, line.indexOf('=')),
                                        line.substring(line.indexOf('=') + 1)));
        return variables;
    }

    void awaitLog(String text) {
        await("'" + text + "'", Duration.ofSeconds(60), () -> log().contains(text));
    }

    void await(String what, Duration limit, BooleanSupplier condition) {
        long end = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime() - end)
                    .as("%s within %s; log:%n%s", what, limit, log())
                    .isNegative();
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    @Override
    public void close() {
        launcher.descendants().forEach(ProcessHandle::destroyForcibly);
        launcher.destroyForcibly();
    }
}
