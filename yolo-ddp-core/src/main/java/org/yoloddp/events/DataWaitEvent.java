package org.yoloddp.events;

import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** Waiting for a batch to be loaded. */
@Name("org.yoloddp.DataWait")
@Label("Data Wait")
@Description("Waiting for a batch to be loaded")
public final class DataWaitEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.DataWait";

    /** Makes an event that hasn't begun. */
    public DataWaitEvent() {}
}
