package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Asks other programs short questions. */
final class Shell {

    private static final Duration LIMIT = Duration.ofSeconds(20);

    private Shell() {}

    /** What a command prints; empty where it doesn't exist, fails or takes too long. */
    static Optional<String> ask(String... command) {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectInput(ProcessBuilder.Redirect.PIPE)
                            .start();
            try {
                process.getOutputStream().close();
                if (!process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                    return Optional.empty();
                }
                String text =
                        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                return process.exitValue() == 0 ? Optional.of(text.strip()) : Optional.empty();
            } finally {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }
}
