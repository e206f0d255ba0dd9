package org.yoloddp.examples;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.annotations.SerializedName;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.AllocatorSettings;

/**
 * A process that takes training steps when asked to: our program in a JVM of its own, or a rival in
 * Python. One line there, one line of JSON back.
 */
final class TurnProcess implements AutoCloseable {

    /** Loading PyTorch from a cold disk takes its time. */
    private static final Duration START_LIMIT = Duration.ofMinutes(5);

    private static final Duration STEP_LIMIT = Duration.ofMinutes(2);

    /** What stands for the end of the process among its lines. */
    private static final String END = "";

    /**
     * What a process tells of a turn.
     *
     * @param millis how long each step took
     * @param memory of the process in MB by name, as far as its system tells
     */
    record Turn(@SerializedName("ms") double[] millis, @Nullable Map<String, Double> memory) {}

    private final String name;
    private final String advice;
    private final Process process;
    private final Writer requests;
    private final Thread messages;
    private final LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();
    private volatile String lastWords = "";
    private final Map<String, String> versions = new TreeMap<>();
    private final Map<String, Double> memory = new TreeMap<>();

    /**
     * Starts a rival and waits until it is warm.
     *
     * @param tunedAllocator whether it gets the allocator settings that our start script makes
     */
    static TurnProcess python(
            String python, Path script, List<String> options, boolean tunedAllocator) {
        List<String> command = new ArrayList<>(List.of(python, script.toString()));
        command.addAll(options);
        String advice = "'" + python + " " + script + " --help' says what to install";
        ProcessBuilder builder = builder(command, tunedAllocator);
        try {
            return new TurnProcess(
                    script.getFileName().toString(), "rival ", advice, builder.start());
        } catch (IOException e) {
            throw RivalException.notStarted(python, e);
        }
    }

    /** Starts our own program as this JVM runs it, and waits until it is warm. */
    static TurnProcess ours(List<String> arguments) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = new ArrayList<>(List.of(java));
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> option.matches("-Dyoloddp\\..*|-Xm.*|--enable-native-access.*"))
                .forEach(command::add);
        command.addAll(
                List.of("-cp", System.getProperty("java.class.path"), YoloDdp.class.getName()));
        command.addAll(arguments);
        String advice = "'yolo-ddp " + String.join(" ", arguments) + "' may say more";
        try {
            return new TurnProcess("yolo-ddp", "", advice, builder(command, true).start());
        } catch (IOException e) {
            throw RivalException.notStarted(java, e);
        }
    }

    private static ProcessBuilder builder(List<String> command, boolean tunedAllocator) {
        ProcessBuilder builder = new ProcessBuilder(command);
        if (tunedAllocator) {
            builder.environment().putAll(AllocatorSettings.recommended());
        } else {
            builder.environment().keySet().removeAll(AllocatorSettings.recommended().keySet());
        }
        return builder;
    }

    private TurnProcess(String name, String prefix, String advice, Process process) {
        this.name = name;
        this.advice = advice;
        this.process = process;
        requests = process.outputWriter(StandardCharsets.UTF_8);
        follow(name + " answers", process.inputReader(StandardCharsets.UTF_8), answers::add);
        messages =
                follow(
                        name + " messages",
                        process.errorReader(StandardCharsets.UTF_8),
                        line -> lastWords = line.isBlank() ? lastWords : line.strip());
        try {
            JsonObject start = answer(START_LIMIT);
            if (start.has("memory")) {
                start.getAsJsonObject("memory")
                        .entrySet()
                        .forEach(e -> memory.put(e.getKey(), e.getValue().getAsDouble()));
            }
            start.getAsJsonObject("versions")
                    .entrySet()
                    .forEach(
                            entry ->
                                    versions.put(
                                            prefix + entry.getKey(),
                                            entry.getValue().getAsString()));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    Map<String, String> versions() {
        return versions;
    }

    /** Returns what is known of its memory, in MB by name. */
    Map<String, Double> memory() {
        return memory;
    }

    /** Takes steps. */
    Turn run(int steps) {
        return run(steps, "");
    }

    /** Takes steps of one of several kinds that the process knows. */
    Turn run(int steps, String kind) {
        try {
            requests.write(("run " + steps + " " + kind).strip() + "\n");
            requests.flush();
        } catch (IOException e) {
            throw RivalException.ended(name, lastWords, advice);
        }
        Turn turn =
                new Gson().fromJson(answer(STEP_LIMIT.multipliedBy(steps)).toString(), Turn.class);
        if (turn.memory() != null) {
            memory.putAll(turn.memory());
        }
        return turn;
    }

    private JsonObject answer(Duration limit) {
        try {
            String line = answers.poll(limit.toSeconds(), TimeUnit.SECONDS);
            if (line == null) {
                throw RivalException.silent(name, limit);
            }
            if (line.equals(END)) {
                throw ended();
            }
            return new Gson().fromJson(line, JsonObject.class);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw RivalException.silent(name, limit);
        }
    }

    /** The end, with the last of its messages. */
    private RivalException ended() throws InterruptedException {
        messages.join(TimeUnit.SECONDS.toMillis(5));
        return RivalException.ended(name, lastWords, advice);
    }

    private static Thread follow(String name, BufferedReader reader, Consumer<String> lines) {
        Thread thread =
                new Thread(
                        () -> {
                            try (reader) {
                                reader.lines().forEach(lines);
                            } catch (IOException | UncheckedIOException e) {
                                // the process is gone, which END tells
                            } finally {
                                lines.accept(END);
                            }
                        },
                        name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    @Override
    public void close() {
        try (requests) {
            requests.write("quit\n");
        } catch (IOException e) {
            // it has ended already
        }
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
