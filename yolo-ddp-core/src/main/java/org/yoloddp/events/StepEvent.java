package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** One batch on one rank, from waiting for its data to the optimizer. */
@Name("org.yoloddp.Step")
@Label("Step")
@Description("One batch on one rank, from waiting for its data to the optimizer")
public final class StepEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.Step";

    /** Makes an event that hasn't begun. */
    public StepEvent() {}
}
