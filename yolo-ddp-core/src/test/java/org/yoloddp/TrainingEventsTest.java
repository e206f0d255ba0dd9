package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.stream.LongStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.events.BackwardEvent;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.events.DataWaitEvent;
import org.yoloddp.events.ExposedCommunicationEvent;
import org.yoloddp.events.ForwardEvent;
import org.yoloddp.events.OptimizerEvent;
import org.yoloddp.events.StepEvent;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.PhaseMillis;
import org.yoloddp.train.TrainingReport;

@Tag("torch")
class TrainingEventsTest {

    private static final int STEPS = 12;

    @TempDir private Path folder;

    @Test
    void everyRankRecordsEveryPartOfEveryStep() throws IOException {
        Path file = folder.resolve("training.jfr");
        TorchRuntime.start();
        TrainingReport report;
        try (Toy toy = new Toy();
                Recording recording = new Recording();
                DistributedTrainer trainer = toy.builder().build()) {
            recording.start();
            report = trainer.train();
            recording.dump(file);
        }
        List<RecordedEvent> all = RecordingFile.readAllEvents(file);
        for (int rank = 0; rank < 2; rank++) {
            List<RecordedEvent> steps = of(all, StepEvent.NAME, rank);
            assertThat(steps)
                    .extracting(event -> event.getLong("step"))
                    .containsExactlyElementsOf(LongStream.range(0, STEPS).boxed().toList());
            for (String part :
                    List.of(
                            DataWaitEvent.NAME,
                            ForwardEvent.NAME,
                            BackwardEvent.NAME,
                            OptimizerEvent.NAME)) {
                List<RecordedEvent> parts = of(all, part, rank);
                assertThat(parts).as(part).hasSize(STEPS);
                for (int step = 0; step < STEPS; step++) {
                    assertInside(parts.get(step), steps.get(step));
                }
            }
            assertThat(of(all, BucketEvent.NAME, rank))
                    .filteredOn(event -> event.getLong("step") >= 1)
                    .hasSizeGreaterThanOrEqualTo(STEPS - 1)
                    .allSatisfy(
                            event -> {
                                assertThat(event.getInt("index")).isNotNegative();
                                assertThat(event.getLong("bytes")).isPositive();
                            });
            List<RecordedEvent> waits = of(all, ExposedCommunicationEvent.NAME, rank);
            assertThat(waits)
                    .extracting(event -> event.getString("of"))
                    .hasSize(2 * STEPS)
                    .startsWith("buffers", "gradients", "buffers", "gradients");
        }
        assertSensible(report.phaseMillis(), report.stepMillisMedian());
    }

    private static void assertSensible(PhaseMillis millis, double step) {
        assertThat(millis.forward()).isPositive().isLessThan(step);
        assertThat(millis.backward()).isPositive().isLessThan(step);
        assertThat(millis.optimizer()).isPositive().isLessThan(step);
        assertThat(millis.dataWait()).isPositive().isLessThan(step);
        assertThat(millis.commExposed()).isPositive();
    }

    private static void assertInside(RecordedEvent part, RecordedEvent step) {
        assertThat(part.getLong("step")).isEqualTo(step.getLong("step"));
        assertThat(part.getThread().getJavaName()).isEqualTo(step.getThread().getJavaName());
        Instant from = part.getStartTime();
        assertThat(from).isBetween(step.getStartTime(), step.getEndTime());
        assertThat(part.getEndTime()).isBetween(from, step.getEndTime());
    }

    private static List<RecordedEvent> of(List<RecordedEvent> events, String name, int rank) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .filter(event -> event.getInt("rank") == rank)
                .sorted((a, b) -> a.getStartTime().compareTo(b.getStartTime()))
                .toList();
    }
}
