package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The talk with the rival, which is a shell script here. */
@Tag("process")
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "there is no sh")
class RivalProcessTest {

    @TempDir private Path folder;

    @Test
    void takesStepsWhenAskedTo() throws IOException {
        Path script =
                script(
                        "echo '{\"versions\": {\"torch\": \"2.7.1\"}}'",
                        "while read word count; do",
                        "    [ \"$word\" = quit ] && exit",
                        "    echo \"{\\\"ms\\\": [$count, 2.5]}\"",
                        "done");
        try (RivalProcess rival = new RivalProcess("sh", script, List.of(), true)) {
            assertThat(rival.versions()).isEqualTo(Map.of("torch", "2.7.1"));
            assertThat(rival.run(7)).containsExactly(7, 2.5);
            assertThat(rival.run(9)).containsExactly(9, 2.5);
        }
    }

    @Test
    void getsTheAllocatorSettingsOnlyIfItIsToBeAtItsBest() throws IOException {
        Path script =
                script("echo \"{\\\"versions\\\": {\\\"arenas\\\": \\\"$MALLOC_ARENA_MAX\\\"}}\"");
        try (RivalProcess best = new RivalProcess("sh", script, List.of(), true);
                RivalProcess shipped = new RivalProcess("sh", script, List.of(), false)) {
            assertThat(best.versions()).isEqualTo(Map.of("arenas", "1"));
            assertThat(shipped.versions()).isEqualTo(Map.of("arenas", ""));
        }
    }

    @Test
    void missingPackagesAreNamedWithWhatToDo() throws IOException {
        Path script = script("echo 'Traceback' >&2", "echo 'No module named torch' >&2", "exit 1");
        assertThatThrownBy(() -> new RivalProcess("sh", script, List.of(), true))
                .isInstanceOf(RivalException.class)
                .hasMessage(
                        "rival.sh has ended with 'No module named torch'; 'sh "
                                + script
                                + " --help' says what to install");
    }

    @Test
    void missingPythonIsNamed() throws IOException {
        Path script = script("exit");
        String python = folder.resolve("no-python").toString();
        assertThatThrownBy(() -> new RivalProcess(python, script, List.of(), true))
                .isInstanceOf(RivalException.class)
                .hasMessageStartingWith(
                        python + " can't be started; give a Python 3 by --python: ");
    }

    private Path script(String... lines) throws IOException {
        return Files.writeString(folder.resolve("rival.sh"), String.join("\n", lines) + "\n");
    }
}
