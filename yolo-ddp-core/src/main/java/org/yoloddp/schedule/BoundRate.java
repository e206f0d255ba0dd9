package org.yoloddp.schedule;

/**
 * A learning rate as a pure function of the step: the same step gives the same bits, on every rank,
 * in whatever order it is asked, after a resume as well.
 */
@FunctionalInterface
public interface BoundRate {

    /**
     * The learning rate in force during a step.
     *
     * @param step the number of the batch since the start, from 0; beyond the plan it is defined
     *     too
     * @return the learning rate
     */
    double at(long step);

    /**
     * The momentum (Adam: beta1) in force during a step, for schedules that cycle it.
     *
     * @param step the number of the batch since the start, from 0
     * @return the momentum, or NaN for the optimizer's own
     */
    default double momentumAt(long step) {
        return Double.NaN;
    }
}
