package org.yoloddp.events;

import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** The reduction of one bucket of gradients, from its start to its finish on all ranks. */
@Name("org.yoloddp.Bucket")
@Label("Bucket")
@Description(
        "The reduction of one bucket of gradients, from its start to its finish on all ranks;"
                + " buckets are reduced one after the other, whenever they were started")
public final class BucketEvent extends RankEvent {

    /** The name under which it is recorded. */
    public static final String NAME = "org.yoloddp.Bucket";

    /** Which bucket. */
    @Label("Index")
    @Description("The number of the bucket, from 0, in the order of their starts")
    final int index;

    /** How much. */
    @Label("Bytes")
    @Description("The size of the bucket")
    @DataAmount
    final long bytes;

    /**
     * Makes an event that hasn't begun.
     *
     * @param index the number of the bucket, from 0
     * @param bytes its size
     */
    public BucketEvent(int index, long bytes) {
        this.index = index;
        this.bytes = bytes;
    }
}
