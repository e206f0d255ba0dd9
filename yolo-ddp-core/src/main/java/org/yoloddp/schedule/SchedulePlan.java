package org.yoloddp.schedule;

/**
 * The training that a schedule is bound to: how many steps there are, and how many of them make an
 * epoch.
 *
 * <p>A step is one batch per rank, counted from 0 since the start of the training, whether or not
 * the optimizer steps after it.
 *
 * @param epochs the epochs of the whole training
 * @param batchesPerEpoch the steps of one epoch, the same on all ranks
 * @param firstStep the step of the training at which the schedule starts; 0 unless other schedules
 *     come before it
 * @param steps the steps that the schedule lasts
 */
public record SchedulePlan(int epochs, int batchesPerEpoch, long firstStep, long steps) {

    /**
     * Checks the values.
     *
     * @param epochs the epochs of the whole training
     * @param batchesPerEpoch the steps of one epoch, the same on all ranks
     * @param firstStep the step of the training at which the schedule starts
     * @param steps the steps that the schedule lasts
     * @throws org.yoloddp.error.ConfigurationException if a value is out of its range
     */
    public SchedulePlan {
        Checks.atLeast("epochs", epochs, 1);
        Checks.atLeast("batches per epoch", batchesPerEpoch, 1);
        Checks.atLeast("first step", firstStep, 0);
        Checks.atLeast("steps", steps, 1);
    }

    /**
     * The plan of a whole training.
     *
     * @param epochs the epochs of the training
     * @param batchesPerEpoch the steps of one epoch, the same on all ranks
     * @throws org.yoloddp.error.ConfigurationException if one of them is below 1
     */
    public SchedulePlan(int epochs, int batchesPerEpoch) {
        this(epochs, batchesPerEpoch, 0, Math.max(1, (long) epochs * batchesPerEpoch));
    }

    /**
     * A part of this plan: step 0 of the part is step {@code from} of this plan.
     *
     * @param from the part's first step
     * @param to the step after its last
     * @return the part
     * @throws org.yoloddp.error.ConfigurationException if the part is empty
     */
    public SchedulePlan part(long from, long to) {
        return new SchedulePlan(epochs, batchesPerEpoch, firstStep + from, to - from);
    }

    /**
     * The epoch that a step belongs to.
     *
     * @param step a step of this plan
     * @return the epoch of the training, from 0
     */
    public long epochOf(long step) {
        return (firstStep + step) / batchesPerEpoch;
    }
}
