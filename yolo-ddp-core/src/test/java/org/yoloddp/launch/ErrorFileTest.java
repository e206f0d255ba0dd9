package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.launch.ErrorFile.Blame;
import org.yoloddp.launch.ErrorFile.Content;
import org.yoloddp.rendezvous.RendezvousTimeoutException;

class ErrorFileTest {

    private static final Clock CLOCK =
            Clock.fixed(Instant.ofEpochSecond(1700000000), ZoneOffset.UTC);

    @TempDir private Path folder;

    @Test
    void holdsWhatTorchrunReads() throws IOException {
        Path file = folder.resolve("a/b/error.json");
        ErrorFile.write(new IllegalStateException("lost\n  count"), of(file, "0"), CLOCK);
        JsonObject whole = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
        JsonObject message = whole.getAsJsonObject("message");
        assertThat(message.get("message").getAsString())
                .isEqualTo("IllegalStateException: lost count");
        JsonObject extra = message.getAsJsonObject("extraInfo");
        assertThat(extra.get("timestamp").getAsString()).isEqualTo("1700000000");
        assertThat(extra.get("py_callstack").getAsString()).contains("ErrorFileTest");
        assertThat(whole.has("yoloddp")).isFalse();
        assertThat(ErrorFile.read(file))
                .contains(new Content("IllegalStateException: lost count", null));
    }

    @Test
    void failureOfAnotherRankIsAConsequenceAndLooksLaterThanItsCause() throws IOException {
        Path file = folder.resolve("error.json");
        RankFailedException other =
                RankFailedException.of("world", 1, "h1", 77, 5, "in a step", null);
        ErrorFile.write(new IllegalStateException("training failed", other), of(file, "0"), CLOCK);
        assertThat(ErrorFile.read(file).orElseThrow().blame()).isEqualTo(new Blame(1, "h1", 77));
        assertThat(file).content().contains("\"timestamp\":\"1700000001\"");
        ErrorFile.write(other, of(file, "1"), CLOCK);
        assertThat(ErrorFile.read(file).orElseThrow().blame())
                .as("its own failure, told by the others")
                .isNull();
    }

    @Test
    void rankThatDidNotComeIsToBlame() throws IOException {
        Path file = folder.resolve("error.json");
        RendezvousTimeoutException late =
                RendezvousTimeoutException.of(
                        List.of(1, 3), List.of("rank 0", "rank 2"), 4, Duration.ofSeconds(5));
        ErrorFile.write(late, of(file, "0"), CLOCK);
        assertThat(ErrorFile.read(file).orElseThrow().blame()).isEqualTo(new Blame(1, "", -1));
    }

    @Test
    void othersFilesAreReadAndNonsenseIsNot() throws IOException {
        Path file = folder.resolve("error.json");
        assertThat(ErrorFile.read(file)).isEmpty();
        Files.writeString(file, "{\"message\": \"killed\", \"timestamp\": 5}");
        assertThat(ErrorFile.read(file)).contains(new Content("killed", null));
        for (String nonsense : new String[] {"", "[]", "{", "{\"message\": {}}", "null"}) {
            Files.writeString(file, nonsense);
            assertThat(ErrorFile.read(file)).as(nonsense).isEmpty();
        }
    }

    @Test
    void withoutTheVariableNothingHappens() {
        ErrorFile.write(new IllegalStateException("x"), Map.of(), CLOCK);
        assertThat(folder).isEmptyDirectory();
    }

    private static Map<String, String> of(Path file, String rank) {
        return Map.of(ErrorFile.VARIABLE, file.toString(), "RANK", rank);
    }
}
