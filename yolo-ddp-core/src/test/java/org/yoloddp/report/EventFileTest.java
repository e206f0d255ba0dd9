package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventFileTest {

    private static final Clock CLOCK =
            Clock.fixed(Instant.ofEpochMilli(1_700_000_000_250L), ZoneOffset.UTC);

    @TempDir private Path folder;

    @Test
    void readsBackAsItWasWritten() throws IOException {
        Map<String, Double> scalars = new LinkedHashMap<>();
        scalars.put("train/box_loss", 0.125);
        scalars.put("metrics/not computed", Double.NaN);
        scalars.put("metrics/größe", -3e9);
        try (EventFile events = EventFile.create(folder, CLOCK)) {
            events.add(0, scalars);
            events.add(300, Map.of("x/lr0", 0.01));
            // Read while still open: whatever was added is on disk.
            assertThat(TensorBoardEvents.read(file()))
                    .containsExactly(
                            new TensorBoardEvents.Event(
                                    1_700_000_000.25, 0, "brain.Event:2", Map.of()),
                            new TensorBoardEvents.Event(
                                    1_700_000_000.25,
                                    0,
                                    "",
                                    Map.of("train/box_loss", 0.125f, "metrics/größe", -3e9f)),
                            new TensorBoardEvents.Event(
                                    1_700_000_000.25, 300, "", Map.of("x/lr0", 0.01f)));
        }
    }

    @Test
    void aFlippedBitIsNoticed() throws IOException {
        try (EventFile events = EventFile.create(folder, CLOCK)) {
            events.add(1, Map.of("x/lr0", 0.01));
        }
        byte[] bytes = Files.readAllBytes(file());
        bytes[bytes.length - 6] ^= 1;
        Files.write(file(), bytes);
        assertThatThrownBy(() -> TensorBoardEvents.read(file())).isInstanceOf(AssertionError.class);
    }

    @Test
    void theNameIsOneThatTensorBoardFinds() {
        EventFile.create(folder, CLOCK).close();
        assertThat(file().getFileName().toString())
                .isEqualTo(
                        "events.out.tfevents.1700000000.yolo-ddp." + ProcessHandle.current().pid());
    }

    private Path file() {
        try (var files = Files.list(folder)) {
            return files.findFirst().orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
