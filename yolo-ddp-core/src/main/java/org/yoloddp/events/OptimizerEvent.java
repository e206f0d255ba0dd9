package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** Clipping, optimizer and moving average of the weights. */
@Name("org.yoloddp.Optimizer")
@Label("Optimizer")
@Description("Clipping, optimizer and moving average of the weights")
public final class OptimizerEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.Optimizer";

    /** Makes an event that hasn't begun. */
    public OptimizerEvent() {}
}
