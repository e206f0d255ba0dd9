package org.yoloddp.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import jdk.jfr.FlightRecorder;
import jdk.jfr.consumer.RecordedEvent;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.events.StepEvent;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingStart;

/**
 * Shows some steps of a training on a time axis, a lane for each rank of this JVM and one for its
 * communication, as a trace that <a href="https://ui.perfetto.dev">ui.perfetto.dev</a> and Chrome's
 * {@code about:tracing} open.
 *
 * <p>It records the events of {@code org.yoloddp.events} by JDK Flight Recorder while these steps
 * run, and writes the file once all ranks have done them, at the latest when the training ends. A
 * file that can't be written is reported before the first step.
 *
 * <pre>{@code
 * builder.addObserver(Timeline.of(Path.of("timeline.json")).optSteps(10, 20));
 * }</pre>
 *
 * <p>One object may serve several trainings, one after the other; each replaces the file.
 */
public final class Timeline implements TrainingObserver {

    /**
     * The most batches by which ranks are apart here: they meet where gradients are reduced, which
     * may be once in several batches.
     */
    private static final long RANKS_APART = 64;

    private final Path file;
    private long from = 10;
    private long to = 20;
    private int ranks;
    private long nextLook;
    private @Nullable StepRecording recording;

    /** Whether a file is still to be written. */
    private boolean due;

    private Timeline(Path file) {
        this.file = Objects.requireNonNull(file, "file");
    }

    /**
     * Describes a timeline of the steps 10 to 20.
     *
     * @param file the file to write, in a folder that exists; an existing file is replaced
     * @return the observer
     */
    public static Timeline of(Path file) {
        return new Timeline(file);
    }

    /**
     * Sets the steps to show. The first steps of a training take longer than the later ones.
     *
     * @param first the first step, counted from 0 since the start of the training
     * @param last the last step
     * @return this
     * @throws ConfigurationException if the first is negative or behind the last
     */
    public Timeline optSteps(long first, long last) {
        if (first < 0 || last < first) {
            throw new ConfigurationException(
                    "the steps of a timeline are "
                            + first
                            + " to "
                            + last
                            + ", but they are counted from 0, and the last can't come before the"
                            + " first");
        }
        from = first;
        to = last;
        return this;
    }

    /**
     * Checks that the file can be written and the steps will come.
     *
     * @param start what is about to be trained
     * @throws TimelineException if not
     */
    @Override
    public void onStart(TrainingStart start) {
        long steps = (long) start.epochs() * start.batchesPerEpoch();
        if (from >= steps) {
            throw TimelineException.tooShort(file, from, to, steps);
        }
        if (!FlightRecorder.isAvailable()) {
            throw TimelineException.cannotRecord(file);
        }
        write("");
        ranks = start.worldSize();
        nextLook = to + 1;
        due = true;
        recordBefore(0);
    }

    @Override
    public void onStep(StepReport report) {
        recordBefore(report.step() + 1);
        if (recording != null && report.step() >= nextLook) {
            List<RecordedEvent> events = events();
            long lastStep =
                    events.stream()
                            .filter(event -> event.getEventType().getName().equals(StepEvent.NAME))
                            .filter(event -> event.getLong("step") == to)
                            .count();
            if (lastStep >= ranks || report.step() >= to + RANKS_APART) {
                finish(events);
            } else {
                nextLook = report.step() + Math.max(1, report.step() - to);
            }
        }
    }

    @Override
    public void onEnd(TrainingReport report) {
        end();
    }

    @Override
    public void onFailure(Throwable cause) {
        end();
    }

    private void recordBefore(long step) {
        if (recording == null && due && step + RANKS_APART >= from) {
            recording = new StepRecording();
        }
    }

    private List<RecordedEvent> events() {
        if (recording == null) {
            return List.of();
        }
        try {
            return recording.events(from, to);
        } catch (IOException e) {
            throw TimelineException.cannotReadRecording(file, e);
        }
    }

    private void end() {
        if (due) {
            finish(events());
        }
    }

    private void finish(List<RecordedEvent> events) {
        if (recording != null) {
            recording.close();
            recording = null;
        }
        due = false;
        write(TraceJson.of(events));
    }

    private void write(String text) {
        try {
            Files.write(
                    file,
                    text.getBytes(StandardCharsets.UTF_8),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw TimelineException.cannotWrite(file, e);
        }
    }
}
