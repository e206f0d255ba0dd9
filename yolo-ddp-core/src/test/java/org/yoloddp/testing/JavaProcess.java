package org.yoloddp.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Runs a main class in a JVM of its own, with the class path of the tests, and waits for its end.
 *
 * <p>A process that does not end in time is shown by the stacks of its threads, then killed.
 *
 * <pre>{@code
 * JavaProcess.Result result =
 *         JavaProcess.of(MyMain.class, "arg").jvm("-Xmx256m").env("RANK", "0").run();
 * assertThat(result.exitCode()).as(result.output()).isZero();
 * }</pre>
 */
public final class JavaProcess {

    private final String mainClass;
    private final List<String> arguments;
    private final List<String> options = new ArrayList<>();
    private final Map<String, String> environment = new LinkedHashMap<>();
    private String classPath = System.getProperty("java.class.path");
    private Duration timeout = Duration.ofMinutes(2);

    private JavaProcess(String mainClass, List<String> arguments) {
        this.mainClass = mainClass;
        this.arguments = arguments;
    }

    public static JavaProcess of(Class<?> mainClass, String... arguments) {
        return new JavaProcess(mainClass.getName(), List.of(arguments));
    }

    /** Adds options of the JVM. */
    public JavaProcess jvm(String... more) {
        options.addAll(List.of(more));
        return this;
    }

    public JavaProcess env(String name, String value) {
        environment.put(name, value);
        return this;
    }

    public JavaProcess classPath(String path) {
        classPath = path;
        return this;
    }

    public JavaProcess timeout(Duration limit) {
        timeout = limit;
        return this;
    }

    public Result run() {
        return start().await();
    }

    /** Starts it; its output (both streams) goes to a file meanwhile. */
    public Running start() {
        try {
            Path output = Files.createTempFile("java-process", ".txt");
            List<String> command = new ArrayList<>();
            command.add(tool("java"));
            command.addAll(options);
            command.add("-XX:ErrorFile=target/hs_err_pid%p.log");
            command.add("-cp");
            command.add(classPath);
            command.add(mainClass);
            command.addAll(arguments);
            ProcessBuilder builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile());
            builder.environment().putAll(environment);
            return new Running(builder.start(), output, timeout);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String tool(String name) {
        return Path.of(System.getProperty("java.home"), "bin", name).toString();
    }

    /** A process on its way. */
    public static final class Running {

        private final Process process;
        private final Path output;
        private final Duration timeout;

        private Running(Process process, Path output, Duration timeout) {
            this.process = process;
            this.output = output;
            this.timeout = timeout;
        }

        public Process process() {
            return process;
        }

        /** What it has printed so far. */
        public String output() {
            try {
                return new String(Files.readAllBytes(output), StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        public Result await() {
            try {
                if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                    String stacks = stacks();
                    process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
                    throw new AssertionError(
                            "a JVM did not end within "
                                    + timeout
                                    + "; its output:\n"
                                    + output()
                                    + "\nits threads:\n"
                                    + stacks);
                }
                Result result = new Result(process.exitValue(), output());
                Files.deleteIfExists(output);
                return result;
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
                throw new AssertionError("interrupted while waiting for a JVM", e);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private String stacks() throws IOException, InterruptedException {
            Path file = Files.createTempFile("stacks", ".txt");
            Process jstack =
                    new ProcessBuilder(tool("jstack"), "-l", Long.toString(process.pid()))
                            .redirectErrorStream(true)
                            .redirectOutput(file.toFile())
                            .start();
            if (!jstack.waitFor(20, TimeUnit.SECONDS)) {
                jstack.destroyForcibly();
            }
            String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
            Files.deleteIfExists(file);
            return text;
        }
    }

    /**
     * How it ended.
     *
     * @param exitCode of the process; 134 is an abort
     * @param output of both streams
     */
    public record Result(int exitCode, String output) {

        /** The lines that begin with {@code name=}, without that. */
        public List<String> values(String name) {
            return output.lines()
                    .filter(line -> line.startsWith(name + "="))
                    .map(line -> line.substring(name.length() + 1))
                    .toList();
        }
    }
}
