package org.yoloddp.schedule;

import ai.djl.training.tracker.Tracker;
import java.util.Arrays;

/**
 * The values of a DJL tracker, each asked for once and in order.
 *
 * <p>DJL's MultiFactorTracker moves on when it is asked, so a second question for the same update,
 * by another rank or after a resume, would have another answer.
 */
final class TrackerRate implements BoundRate {

    private final Tracker tracker;
    private float[] values = new float[1024];
    private int known;

    TrackerRate(Tracker tracker) {
        this.tracker = tracker;
    }

    @Override
    public synchronized double at(long step) {
        int index = Math.toIntExact(step);
        while (known <= index) {
            if (known == values.length) {
                values = Arrays.copyOf(values, 2 * known);
            }
            float value = tracker.getNewValue(known + 1);
            values[known++] = value;
        }
        return values[index];
    }
}
