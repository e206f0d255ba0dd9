package org.yoloddp.train;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.events.RankEvent;

/**
 * One part of the steps of a rank: timed for the median, and an event while somebody records. An
 * event is made only then, so that watching is free when off: two readings of the clock.
 */
final class StepPart {

    private final int rank;
    private final Supplier<RankEvent> events;

    /** Never begun; tells whether events of its type are recorded. */
    private final RankEvent probe;

    private final Samples millis = new Samples();
    private @Nullable RankEvent event;
    private long from;

    StepPart(int rank, Supplier<RankEvent> events) {
        this.rank = rank;
        this.events = events;
        this.probe = events.get();
    }

    void begin(long step) {
        if (probe.isEnabled()) {
            event = events.get();
            event.at(rank, step);
            event.begin();
        }
        from = System.nanoTime();
    }

    void end() {
        millis.add((System.nanoTime() - from) / 1e6);
        RankEvent begun = event;
        if (begun != null) {
            event = null;
            begun.end();
            if (begun.shouldCommit()) {
                begun.commit();
            }
        }
    }

    double median() {
        return millis.quantile(.5);
    }
}
