package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** The backward pass, which starts the reduction of buckets that are full. */
@Name("org.yoloddp.Backward")
@Label("Backward")
@Description("The backward pass, which starts the reduction of buckets that are full")
public final class BackwardEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.Backward";

    /** Makes an event that hasn't begun. */
    public BackwardEvent() {}
}
