package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The launcher puts side by side where the ranks of a training were that has failed. */
@Tag("torch")
@Tag("process")
@Timeout(100)
@EnabledOnOs(OS.LINUX)
class WhoWasWhereLaunchTest {

    @TempDir Path folder;

    /** The ranks go by {@code tcp}; other communicators have to leave the same. */
    FaultLaunch launch() throws Exception {
        return new FaultLaunch(folder);
    }

    @Test
    void aRankThatWaitedForABatchIsBehind() throws Exception {
        FaultLaunch launch = launch();
        Path logs = folder.resolve("logs");
        launch.run(launch.builder(2, launch.command(Fault.LOADER_HANGS, 1)).optLogFolder(logs));
        assertThat(whoWasWhere(logs))
                .as(launch.text())
                .startsWith("who was where when the job failed:\n")
                .containsPattern("group 'world':\n  rank 0: collective \\d+, .*\n")
                .containsPattern("  rank 1: collective \\d+, .* collectives? behind\n");
    }

    private static String whoWasWhere(Path logs) throws IOException {
        try (Stream<Path> files = Files.walk(logs)) {
            Path file =
                    files.filter(f -> f.endsWith("who-was-where-node-0.txt"))
                            .findFirst()
                            .orElseThrow();
            return Files.readString(file);
        }
    }
}
