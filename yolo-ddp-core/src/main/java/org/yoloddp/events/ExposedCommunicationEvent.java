package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** Waiting for communication that no computation hides. */
@Name("org.yoloddp.ExposedCommunication")
@Label("Exposed Communication")
@Description("Waiting for communication that no computation hides")
public final class ExposedCommunicationEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.ExposedCommunication";

    /** What is waited for. */
    @Label("Of")
    @Description("What is waited for: buffers, gradients or parameters")
    final String of;

    /**
     * Makes an event that hasn't begun.
     *
     * @param of what is waited for: {@code buffers}, {@code gradients} or, with a sharded
     *     optimizer, {@code parameters}
     */
    public ExposedCommunicationEvent(String of) {
        this.of = of;
    }
}
