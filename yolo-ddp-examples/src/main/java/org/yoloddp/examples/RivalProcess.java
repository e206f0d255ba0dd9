package org.yoloddp.examples;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
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
import org.yoloddp.natives.AllocatorSettings;

/**
 * YOLOv5's own training step on PyTorch, in a Python process that takes steps when asked to. One
 * line there, one line of JSON back.
 */
final class RivalProcess implements AutoCloseable {

    /** Loading PyTorch from a cold disk takes its time. */
    private static final Duration START_LIMIT = Duration.ofMinutes(5);

    private static final Duration STEP_LIMIT = Duration.ofMinutes(2);

    /** What stands for the end of the process among its lines. */
    private static final String END = "";

    private final String python;
    private final Path script;
    private final Process process;
    private final Writer requests;
    private final Thread messages;
    private final LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();
    private volatile String lastWords = "";
    private final Map<String, String> versions = new TreeMap<>();

    /**
     * Starts the process and waits until it is warm.
     *
     * @param tunedAllocator whether it gets the allocator settings that our start script makes
     */
    RivalProcess(String python, Path script, List<String> options, boolean tunedAllocator) {
        this.python = python;
        this.script = script;
        List<String> command = new ArrayList<>(List.of(python, script.toString()));
        command.addAll(options);
        ProcessBuilder builder = new ProcessBuilder(command);
        if (tunedAllocator) {
            builder.environment().putAll(AllocatorSettings.recommended());
        } else {
            builder.environment().keySet().removeAll(AllocatorSettings.recommended().keySet());
        }
        try {
            process = builder.start();
        } catch (IOException e) {
            throw RivalException.notStarted(python, e);
        }
        requests = process.outputWriter(StandardCharsets.UTF_8);
        follow("rival answers", process.inputReader(StandardCharsets.UTF_8), answers::add);
        messages =
                follow(
                        "rival messages",
                        process.errorReader(StandardCharsets.UTF_8),
                        line -> lastWords = line.isBlank() ? lastWords : line.strip());
        try {
            answer(START_LIMIT)
                    .getAsJsonObject("versions")
                    .entrySet()
                    .forEach(entry -> versions.put(entry.getKey(), entry.getValue().getAsString()));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    Map<String, String> versions() {
        return versions;
    }

    /** Takes steps and returns how many milliseconds each took. */
    double[] run(int steps) {
        try {
            requests.write("run " + steps + "\n");
            requests.flush();
        } catch (IOException e) {
            throw RivalException.ended(python, script, lastWords);
        }
        return new Gson()
                .fromJson(answer(STEP_LIMIT.multipliedBy(steps)).get("ms"), double[].class);
    }

    private JsonObject answer(Duration limit) {
        try {
            String line = answers.poll(limit.toSeconds(), TimeUnit.SECONDS);
            if (line == null) {
                throw RivalException.silent(script, limit);
            }
            if (line.equals(END)) {
                throw ended();
            }
            return new Gson().fromJson(line, JsonObject.class);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw RivalException.silent(script, limit);
        }
    }

    /** The end, with the last of its messages. */
    private RivalException ended() throws InterruptedException {
        messages.join(TimeUnit.SECONDS.toMillis(5));
        return RivalException.ended(python, script, lastWords);
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
