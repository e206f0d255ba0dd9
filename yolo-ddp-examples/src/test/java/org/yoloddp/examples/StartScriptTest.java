package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** bin/yolo-ddp with made-up JDKs that say how they were called. */
@Tag("process")
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "it is a shell script")
class StartScriptTest {

    private static final String SCRIPT = "src/main/bin/yolo-ddp";

    @TempDir private Path folder;

    @Test
    void passesOptionsFolderAndAllocatorSettings() throws IOException, InterruptedException {
        String text = run(jdk("17.0.15"), Map.of("JAVA_OPTS", "-Xmx1g -Da=b"), 0);
        assertThat(text)
                .contains("<-Xmx1g><-Da=b>")
                .contains("<-Dyoloddp.home=" + Path.of("src/main").toRealPath() + ">")
                .contains("<-Dyoloddp.terminal=false>")
                .endsWith(
                        "<org.yoloddp.examples.YoloDdp><train><--data><a b>1 4294967296 8589934592");
    }

    @Test
    void keepsAllocatorSettingsOfTheUser() throws IOException, InterruptedException {
        assertThat(run(jdk("21"), Map.of("MALLOC_ARENA_MAX", "4"), 0))
                .endsWith(">4 4294967296 8589934592");
    }

    @Test
    void oldJavaIsRefused() throws IOException, InterruptedException {
        Path home = jdk("11.0.2");
        assertThat(run(home, Map.of(), 1))
                .isEqualTo(
                        "error: StartException: "
                                + home
                                + "/bin/java is version 11, but 17 or later is needed; set JAVA_HOME"
                                + " to a newer one\n");
    }

    @Test
    void missingJavaIsRefused() throws IOException, InterruptedException {
        Path home = folder.resolve("nowhere");
        assertThat(run(home, Map.of(), 1))
                .isEqualTo(
                        "error: StartException: JAVA_HOME is "
                                + home
                                + ", but "
                                + home
                                + "/bin/java can't be run; set it to a JDK 17 or later\n");
    }

    /** A java that prints its arguments and the allocator's settings. */
    private Path jdk(String version) throws IOException {
        Path home = folder.resolve("jdk" + version);
        Path java = Files.createDirectories(home.resolve("bin")).resolve("java");
        Files.writeString(
                java,
                String.join(
                        "\n",
                        "#!/bin/sh",
                        "if [ \"$1\" = -version ]; then",
                        "    echo 'openjdk version \"" + version + "\" 2026-01-20' >&2",
                        "    exit",
                        "fi",
                        "printf '<%s>' \"$@\"",
                        "printf '%s' \"$MALLOC_ARENA_MAX $MALLOC_MMAP_THRESHOLD_"
                                + " $MALLOC_TRIM_THRESHOLD_\"",
                        ""));
        Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
        return home;
    }

    private static String run(Path javaHome, Map<String, String> environment, int exitCode)
            throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder("sh", SCRIPT, "train", "--data", "a b")
                        .redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("MALLOC_"));
        builder.environment().remove("JAVA_OPTS");
        builder.environment().put("JAVA_HOME", javaHome.toString());
        builder.environment().putAll(environment);
        Process process = builder.start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(text).isEqualTo(exitCode);
        return text;
    }
}
