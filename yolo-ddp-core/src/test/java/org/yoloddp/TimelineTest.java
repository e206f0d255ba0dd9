package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import jdk.jfr.FlightRecorder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.report.Timeline;
import org.yoloddp.report.TimelineException;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class TimelineTest {

    @TempDir private Path folder;

    private Path file;
    private Toy toy;

    @BeforeEach
    void load() {
        TorchRuntime.start();
        toy = new Toy();
        file = folder.resolve("timeline.json");
    }

    @AfterEach
    void free() {
        toy.close();
    }

    @Test
    void everyRankHasALaneForItsStepsAndOneForItsCommunication() throws IOException {
        train(Timeline.of(file).optSteps(3, 5));
        List<JsonObject> entries = entries();
        assertThat(entries)
                .filteredOn(entry -> text(entry, "name").equals("thread_name"))
                .extracting(
                        entry ->
                                entry.get("tid")
                                        + " "
                                        + text(entry.getAsJsonObject("args"), "name"))
                .containsExactly(
                        "1 rank 0", "2 rank 0 communication", "3 rank 1", "4 rank 1 communication");
        for (int lane : List.of(1, 3)) {
            List<JsonObject> slices = slices(entries, lane);
            assertThat(slices)
                    .filteredOn(slice -> text(slice, "name").equals("step"))
                    .extracting(TimelineTest::step)
                    .containsExactly(3, 4, 5);
            for (String part : List.of("data wait", "forward", "backward", "optimizer")) {
                assertThat(slices)
                        .filteredOn(slice -> text(slice, "name").equals(part))
                        .as(part)
                        .extracting(TimelineTest::step)
                        .containsExactly(3, 4, 5);
            }
            assertNested(slices);
        }
    }

    @Test
    void theFileIsWrittenOnceItsStepsAreDone() {
        AtomicLong size = new AtomicLong();
        try (DistributedTrainer trainer =
                toy.builder()
                        .addObserver(Timeline.of(file).optSteps(0, 2))
                        .addObserver(
                                Toy.onStep(
                                        step -> {
                                            if (step.step() == 11) {
                                                size.set(file.toFile().length());
                                            }
                                        }))
                        .build()) {
            trainer.train();
        }
        assertThat(size.get()).isPositive().isEqualTo(file.toFile().length());
        assertThat(FlightRecorder.getFlightRecorder().getRecordings()).isEmpty();
    }

    @Test
    void aTrainingThatEndsBeforeLeavesAnEmptyTimeline() throws IOException {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(100)
                        .addObserver(Timeline.of(file).optSteps(200, 300))
                        .addObserver(
                                Toy.onStep(
                                        step -> {
                                            throw new IllegalStateException("on purpose");
                                        }))
                        .build()) {
            assertThatThrownBy(trainer::train).hasMessageContaining("on purpose");
        }
        assertThat(entries()).hasSize(1);
    }

    @Test
    void aFileThatCannotBeWrittenIsReportedBeforeTheFirstStep() {
        Path nowhere = folder.resolve("none/timeline.json");
        AtomicLong steps = new AtomicLong();
        try (DistributedTrainer trainer =
                toy.builder()
                        .addObserver(Timeline.of(nowhere).optSteps(0, 2))
                        .addObserver(Toy.onStep(step -> steps.incrementAndGet()))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(TimelineException.class)
                    .hasMessage(
                            "cannot write the timeline "
                                    + nowhere
                                    + ": its folder doesn't exist; choose a file in a folder that"
                                    + " exists and can be written to");
        }
        assertThat(steps).hasValue(0);
    }

    @Test
    void stepsThatTheTrainingDoesNotHaveAreRefused() {
        try (DistributedTrainer trainer = toy.builder().addObserver(late()).build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(TimelineException.class)
                    .hasMessage(
                            "the timeline "
                                    + file
                                    + " is to show the steps 12 to 13, but the training has only 12,"
                                    + " counted from 0; choose some of them");
        }
        assertThatThrownBy(() -> Timeline.of(file).optSteps(3, 2))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the steps of a timeline are 3 to 2, but they are counted from 0, and the"
                                + " last can't come before the first");
    }

    private Timeline late() {
        return Timeline.of(file).optSteps(12, 13);
    }

    private void train(Timeline timeline) {
        try (DistributedTrainer trainer = toy.builder().addObserver(timeline).build()) {
            trainer.train();
        }
    }

    /** Perfetto drops slices of a lane that overlap without one holding the other. */
    private static void assertNested(List<JsonObject> slices) {
        for (JsonObject a : slices) {
            for (JsonObject b : slices) {
                if (start(a) < start(b) && start(b) < end(a)) {
                    assertThat(end(b)).isLessThanOrEqualTo(end(a) + 1e-3);
                }
            }
        }
    }

    private List<JsonObject> entries() throws IOException {
        JsonArray array =
                JsonParser.parseString(Files.readString(file))
                        .getAsJsonObject()
                        .getAsJsonArray("traceEvents");
        List<JsonObject> entries = new ArrayList<>();
        for (JsonElement entry : array) {
            entries.add(entry.getAsJsonObject());
        }
        return entries;
    }

    private static List<JsonObject> slices(List<JsonObject> entries, int lane) {
        return entries.stream()
                .filter(entry -> text(entry, "ph").equals("X"))
                .filter(entry -> entry.get("tid").getAsInt() == lane)
                .toList();
    }

    private static int step(JsonObject slice) {
        return slice.getAsJsonObject("args").get("step").getAsInt();
    }

    private static double start(JsonObject slice) {
        return slice.get("ts").getAsDouble();
    }

    private static double end(JsonObject slice) {
        return start(slice) + slice.get("dur").getAsDouble();
    }

    private static String text(JsonObject object, String name) {
        return object.get(name).getAsString();
    }
}
