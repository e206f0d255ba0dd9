package org.yoloddp.events;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import jdk.jfr.EventType;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RankEventTest {

    @TempDir private Path folder;

    @Test
    void everyEventIsDescribedForWhoReadsTheRecording() {
        for (Class<? extends RankEvent> type :
                List.of(
                        StepEvent.class,
                        DataWaitEvent.class,
                        ForwardEvent.class,
                        BackwardEvent.class,
                        BucketEvent.class,
                        ExposedCommunicationEvent.class,
                        OptimizerEvent.class)) {
            EventType event = EventType.getEventType(type);
            assertThat(event.getName())
                    .isEqualTo("org.yoloddp." + type.getSimpleName().replaceAll("Event$", ""));
            assertThat(event.getCategoryNames()).containsExactly("YOLO-DDP");
            assertThat(event.getLabel()).isNotBlank();
            assertThat(event.getDescription()).isNotBlank();
            assertThat(event.getField("rank").getLabel()).isEqualTo("Rank");
            assertThat(event.getField("step").getLabel()).isEqualTo("Step");
        }
    }

    @Test
    void aRecordingHoldsWhatWasCommitted() throws IOException {
        Path file = folder.resolve("events.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            commit(() -> new BucketEvent(3, 1 << 20));
            commit(() -> new ExposedCommunicationEvent("buffers"));
            recording.dump(file);
        }
        List<RecordedEvent> events =
                RecordingFile.readAllEvents(file).stream()
                        .filter(event -> event.getEventType().getName().startsWith("org.yoloddp."))
                        .toList();
        assertThat(events)
                .satisfiesExactlyInAnyOrder(
                        event -> {
                            assertThat(event.getEventType().getName()).isEqualTo(BucketEvent.NAME);
                            assertThat(event.getInt("index")).isEqualTo(3);
                            assertThat(event.getLong("bytes")).isEqualTo(1 << 20);
                            assertThat(event.getInt("rank")).isEqualTo(1);
                            assertThat(event.getLong("step")).isEqualTo(7);
                            assertThat(event.getDuration()).isPositive();
                        },
                        event -> {
                            assertThat(event.getEventType().getName())
                                    .isEqualTo(ExposedCommunicationEvent.NAME);
                            assertThat(event.getString("of")).isEqualTo("buffers");
                        });
    }

    private static void commit(Supplier<RankEvent> make) {
        RankEvent event = make.get();
        event.at(1, 7);
        event.begin();
        event.end();
        assertThat(event.shouldCommit()).isTrue();
        event.commit();
    }
}
