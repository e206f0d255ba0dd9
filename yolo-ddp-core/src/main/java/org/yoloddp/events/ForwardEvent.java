package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** The model's forward pass and the loss. */
@Name("org.yoloddp.Forward")
@Label("Forward")
@Description("The model's forward pass and the loss")
public final class ForwardEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.Forward";

    /** Makes an event that hasn't begun. */
    public ForwardEvent() {}
}
