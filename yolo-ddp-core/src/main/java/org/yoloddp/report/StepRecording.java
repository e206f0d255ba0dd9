package org.yoloddp.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.yoloddp.events.BackwardEvent;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.events.DataWaitEvent;
import org.yoloddp.events.ExposedCommunicationEvent;
import org.yoloddp.events.ForwardEvent;
import org.yoloddp.events.OptimizerEvent;
import org.yoloddp.events.RankEvent;
import org.yoloddp.events.StepEvent;

/** Flight Recorder's recording of a training's events, and of nothing else, in this JVM. */
final class StepRecording implements AutoCloseable {

    private static final List<Class<? extends RankEvent>> TYPES =
            List.of(
                    StepEvent.class,
                    DataWaitEvent.class,
                    ForwardEvent.class,
                    BackwardEvent.class,
                    BucketEvent.class,
                    ExposedCommunicationEvent.class,
                    OptimizerEvent.class);

    private final Recording recording = new Recording();

    StepRecording() {
        TYPES.forEach(type -> recording.enable(type).withoutThreshold().withoutStackTrace());
        recording.start();
    }

    /** Reads what has been recorded of some steps. */
    List<RecordedEvent> events(long from, long to) throws IOException {
        Path file = Files.createTempFile("yolo-ddp-timeline", ".jfr");
        try {
            recording.dump(file);
            return RecordingFile.readAllEvents(file).stream()
                    .filter(event -> event.getEventType().getName().startsWith("org.yoloddp."))
                    .filter(event -> event.getLong("step") >= from && event.getLong("step") <= to)
                    .toList();
        } finally {
            Files.deleteIfExists(file);
        }
    }

    @Override
    public void close() {
        recording.close();
    }
}
