package org.yoloddp.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.StackTrace;

/**
 * Something that takes time on one rank of a training, as an event of JDK Flight Recorder.
 *
 * <p>All events are recorded wherever a recording runs, and cost nothing where none does: start the
 * JVM with {@code -XX:StartFlightRecording=filename=training.jfr}, or use {@code jcmd} on a running
 * one, and open the file with JDK Mission Control or {@code jfr print --categories YOLO-DDP}.
 *
 * <pre>{@code
 * ForwardEvent event = new ForwardEvent();
 * event.begin();
 * ... forward ...
 * event.end();
 * if (event.shouldCommit()) {
 *     event.at(rank, step);
 *     event.commit();
 * }
 * }</pre>
 *
 * <p>Not thread-safe: one thread after the other.
 */
@Category("YOLO-DDP")
@StackTrace(false)
public abstract class RankEvent extends Event {

    /** The rank. */
    @Label("Rank")
    @Description("The rank, from 0")
    int rank;

    /** The batch. */
    @Label("Step")
    @Description("The number of the batch since the start of the training, from 0")
    long step;

    RankEvent() {}

    /**
     * Says where it happened.
     *
     * @param atRank the rank, from 0
     * @param atStep the number of the batch since the start of the training, from 0
     */
    public final void at(int atRank, long atStep) {
        rank = atRank;
        step = atStep;
    }
}
