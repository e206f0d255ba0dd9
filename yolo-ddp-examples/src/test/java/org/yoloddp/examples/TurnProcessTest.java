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
class TurnProcessTest {

    @TempDir private Path folder;

    @Test
    void takesStepsWhenAskedTo() throws IOException {
        Path script =
                script(
                        "echo '{\"versions\": {\"torch\": \"2.7.1\"}}'",
                        "while read word count kind; do",
                        "    [ \"$word\" = quit ] && exit",
                        "    [ \"$kind\" = fast ] && count=1",
                        "    echo \"{\\\"ms\\\": [$count, 2.5], \\\"memory\\\": {\\\"peak\\\": 6}}\"",
                        "done");
        try (TurnProcess rival = TurnProcess.python("sh", script, List.of(), true)) {
            assertThat(rival.versions()).isEqualTo(Map.of("rival torch", "2.7.1"));
            assertThat(rival.run(7).millis()).containsExactly(7, 2.5);
            assertThat(rival.run(9, "fast").millis()).containsExactly(1, 2.5);
            assertThat(rival.run(9).memory()).isEqualTo(Map.of("peak", 6.0));
        }
    }

    @Test
    void getsTheAllocatorSettingsOnlyIfItIsToBeAtItsBest() throws IOException {
        Path script =
                script("echo \"{\\\"versions\\\": {\\\"arenas\\\": \\\"$MALLOC_ARENA_MAX\\\"}}\"");
        try (TurnProcess best = TurnProcess.python("sh", script, List.of(), true);
                TurnProcess shipped = TurnProcess.python("sh", script, List.of(), false)) {
            assertThat(best.versions()).isEqualTo(Map.of("rival arenas", "1"));
            assertThat(shipped.versions()).isEqualTo(Map.of("rival arenas", ""));
        }
    }

    @Test
    void missingPackagesAreNamedWithWhatToDo() throws IOException {
        Path script = script("echo 'Traceback' >&2", "echo 'No module named torch' >&2", "exit 1");
        assertThatThrownBy(() -> TurnProcess.python("sh", script, List.of(), true))
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
        assertThatThrownBy(() -> TurnProcess.python(python, script, List.of(), true))
                .isInstanceOf(RivalException.class)
                .hasMessageStartingWith(
                        python + " can't be started; give a Python 3 by --python: ");
    }

    private Path script(String... lines) throws IOException {
        return Files.writeString(folder.resolve("rival.sh"), String.join("\n", lines) + "\n");
    }
}
