package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.testing.SlowCommunicator;
import org.yoloddp.events.BackwardEvent;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.torch.GradientHooks;
import org.yoloddp.torch.TorchRuntime;

/** Recorded events show where the reduction of a bucket lies. */
@Tag("torch")
@Timeout(60)
class BucketEventTest {

    private static final String[] LAYERS = {"a", "b", "c", "d"};
    private static final long STEP = 5;

    @TempDir private Path folder;

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aReductionLiesInsideBackwardIfItOverlaps(boolean overlap) throws Exception {
        Path file = folder.resolve("events.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            Ranks.run(2, c -> train(c, overlap));
            recording.dump(file);
        }
        List<RecordedEvent> all = RecordingFile.readAllEvents(file);
        for (int rank = 0; rank < 2; rank++) {
            List<RecordedEvent> buckets = of(all, BucketEvent.NAME, rank);
            RecordedEvent backward = of(all, BackwardEvent.NAME, rank).get(0);
            assertThat(buckets).extracting(event -> event.getInt("index")).contains(0, 1, 2, 3);
            RecordedEvent first = buckets.get(0);
            Instant returned = backward.getEndTime();
            assertThat(first.getInt("index")).isZero();
            assertThat(first.getDuration()).isGreaterThanOrEqualTo(Duration.ofMillis(2));
            if (overlap) {
                assertThat(first.getStartTime()).isAfter(backward.getStartTime());
                assertThat(first.getEndTime()).isBefore(returned);
            } else {
                assertThat(first.getStartTime()).isAfterOrEqualTo(returned);
            }
        }
    }

    /** Backward waits in its last layers for the first bucket, which a slow line reduces. */
    private static boolean train(Communicator communicator, boolean overlap) {
        List<String> ended = Collections.synchronizedList(new ArrayList<>());
        Communicator slow =
                SlowCommunicator.around(
                        communicator, Duration.ofMillis(2), tag -> tag.startsWith("bucket"));
        Communicator logging =
                Intercepted.allReduce(
                        slow,
                        (tag, buffer, reduction) -> {
                            Work work = reduction.get();
                            work.whenEnded(() -> ended.add(tag));
                            return work;
                        });
        Reduction reduction = Weights.single().withOverlap(overlap);
        try (Weights weights = new Weights(logging, reduction, LAYERS);
                GradientHooks waiting =
                        GradientHooks.register(
                                List.of(weights.get("b")), i -> awaitFirst(ended, overlap))) {
            ended.add("bucket 0");
            weights.step(1, LAYERS);
            ended.clear();
            weights.replica.zeroGradients();
            weights.replica.atStep(STEP);
            weights.replica.armReduction();
            BackwardEvent backward = new BackwardEvent();
            backward.at(communicator.rank(), STEP);
            backward.begin();
            weights.backward(1, LAYERS);
            backward.end();
            backward.commit();
            weights.replica.reduceGradients(StepFlags.NONE);
            assertThat(waiting.failure()).isNull();
        }
        return true;
    }

    private static void awaitFirst(List<String> ended, boolean overlap) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (overlap && !ended.contains("bucket 0")) {
            if (System.nanoTime() > end) {
                throw new AssertionError("bucket 0 was not reduced during backward");
            }
            Thread.onSpinWait();
        }
    }

    private static List<RecordedEvent> of(List<RecordedEvent> events, String name, int rank) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .filter(event -> event.getInt("rank") == rank && event.getLong("step") == STEP)
                .sorted((a, b) -> a.getStartTime().compareTo(b.getStartTime()))
                .toList();
    }
}
