package org.yoloddp.schedule;

import ai.djl.training.tracker.Tracker;
import java.util.List;

/**
 * A learning rate schedule, written in epochs or steps and bound once to the plan of a training.
 *
 * <p>Instances are immutable and may be shared by ranks. Where a length can be left out, the
 * schedule lasts as long as the training (inside {@link #sequential}: as long as its turn). Lengths
 * and shapes are PyTorch's; the rate is absolute, not a factor of a base rate. Learning rates move
 * with every step; {@link #heldPerEpoch()} lets them move once an epoch, as most PyTorch programs
 * do. A schedule of one's own is a lambda: {@code plan -> step -> 0.1 / (1 + step)}.
 */
@FunctionalInterface
public interface LearningRate {

    /**
     * Binds the schedule to a training.
     *
     * @param plan the length of the training and of its epochs
     * @return the learning rate as a function of the step
     * @throws org.yoloddp.error.ConfigurationException if a length of the schedule comes out as no
     *     step at all
     */
    BoundRate bind(SchedulePlan plan);

    /**
     * The same learning rate throughout.
     *
     * @param rate the learning rate
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if it is negative or not finite
     */
    static LearningRate constant(double rate) {
        Checks.rate("learning rate", rate);
        return plan -> step -> rate;
    }

    /**
     * A straight line over the whole training.
     *
     * @param start the learning rate of step 0
     * @param end the learning rate that the step after the last one would have
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if a rate is negative or not finite
     */
    static LearningRate linear(double start, double end) {
        return Curves.linear(start, end, null);
    }

    /**
     * A straight line, then the end value for ever.
     *
     * @param start the learning rate of step 0
     * @param end the learning rate after {@code length}
     * @param length how long it takes
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if a rate is negative or not finite
     */
    static LearningRate linear(double start, double end, Span length) {
        return Curves.linear(start, end, length);
    }

    /**
     * Half a cosine over the whole training.
     *
     * @param initial the learning rate of step 0
     * @param minimum the learning rate that the step after the last one would have
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if a rate is negative or not finite
     */
    static LearningRate cosineAnnealing(double initial, double minimum) {
        return Curves.cosine(initial, minimum, null);
    }

    /**
     * Half a cosine; after {@code length} it rises again, as in PyTorch, with period 2 · length.
     *
     * @param initial the learning rate of step 0
     * @param minimum the learning rate after {@code length}
     * @param length from the highest to the lowest rate (PyTorch's T_max)
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if a rate is negative or not finite
     */
    static LearningRate cosineAnnealing(double initial, double minimum, Span length) {
        return Curves.cosine(initial, minimum, length);
    }

    /**
     * Half cosines, each starting at the initial rate again (SGDR).
     *
     * @param initial the learning rate at each restart
     * @param minimum the learning rate that each cycle falls towards
     * @param first the length of the first cycle (PyTorch's T_0)
     * @param multiplier how many times longer each cycle is than the one before
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if a rate is negative or not finite, or the
     *     multiplier below 1
     */
    static LearningRate cosineWarmRestarts(
            double initial, double minimum, Span first, int multiplier) {
        return Curves.warmRestarts(initial, minimum, first, multiplier);
    }

    /**
     * The one-cycle policy with PyTorch's defaults, over the whole training.
     *
     * @param maximum the highest learning rate
     * @return the schedule, on which further settings can be made
     * @throws org.yoloddp.error.ConfigurationException if the rate is not above 0
     */
    static OneCycle oneCycle(double maximum) {
        return new OneCycle(maximum);
    }

    /**
     * A rate that is multiplied by a factor each time a length has passed.
     *
     * @param initial the learning rate of step 0
     * @param gamma the factor
     * @param every how often
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the rate or the factor is negative or not
     *     finite
     */
    static LearningRate step(double initial, double gamma, Span every) {
        return Curves.step(initial, gamma, every);
    }

    /**
     * A rate that is multiplied by a factor at each milestone.
     *
     * @param initial the learning rate of step 0
     * @param gamma the factor
     * @param milestones when, from the start, in any order; one given twice counts twice
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the rate or the factor is negative or not
     *     finite
     */
    static LearningRate multiStep(double initial, double gamma, Span... milestones) {
        return Curves.multiStep(initial, gamma, List.of(milestones));
    }

    /**
     * A rate that falls evenly by a factor each time a length has passed: initial ·
     * gamma<sup>t</sup>, where t counts such lengths, with fractions.
     *
     * @param initial the learning rate of step 0
     * @param gamma the factor
     * @param every the length in which the rate falls by that factor
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the rate is negative or the factor not
     *     above 0, or one of them not finite
     */
    static LearningRate exponential(double initial, double gamma, Span every) {
        return Curves.exponential(initial, gamma, every);
    }

    /**
     * A polynomial to 0 over the whole training: initial · (1 − t/T)<sup>power</sup>.
     *
     * @param initial the learning rate of step 0
     * @param power the exponent
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the rate is negative or the power not
     *     above 0, or one of them not finite
     */
    static LearningRate polynomial(double initial, double power) {
        return Curves.polynomial(initial, power, null);
    }

    /**
     * A polynomial to 0, then 0 for ever: initial · (1 − t/T)<sup>power</sup>.
     *
     * @param initial the learning rate of step 0
     * @param power the exponent
     * @param length how long it takes
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the rate is negative or the power not
     *     above 0, or one of them not finite
     */
    static LearningRate polynomial(double initial, double power, Span length) {
        return Curves.polynomial(initial, power, length);
    }

    /**
     * One schedule after the other; each starts at its own step 0 when its turn comes.
     *
     * @param rates the schedules, one more than milestones
     * @param milestones when the second, third … starts, counted from the start of the training
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the numbers do not fit
     */
    static LearningRate sequential(List<LearningRate> rates, List<Span> milestones) {
        return SequentialRate.of(rates, milestones);
    }

    /**
     * A schedule of DJL's. Update n of DJL, counted from 1 as its optimizers do, is step n − 1
     * here.
     *
     * <p>Some of DJL's trackers change when they are asked; so each value is asked for once, in
     * order, and kept. The tracker must not be used elsewhere.
     *
     * @param tracker DJL's schedule
     * @return the schedule
     */
    static LearningRate of(Tracker tracker) {
        TrackerRate rate = new TrackerRate(tracker);
        return plan -> rate;
    }

    /**
     * This schedule after a linear warm-up: until {@code length} has passed it is multiplied by a
     * factor that rises from 1/1000 to 1. Its own steps count from the start, so it still ends
     * where it would without the warm-up.
     *
     * @param length how long the warm-up takes; nothing at all is allowed
     * @return the schedule
     */
    default LearningRate withLinearWarmup(Span length) {
        return withLinearWarmup(length, 1e-3);
    }

    /**
     * This schedule after a linear warm-up from another factor than 1/1000.
     *
     * @param length how long the warm-up takes; nothing at all is allowed
     * @param startFactor the factor of step 0, from 0 to 1
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the factor is out of its range
     */
    default LearningRate withLinearWarmup(Span length, double startFactor) {
        return new WarmedUpRate(this, length, startFactor);
    }

    /**
     * The product of two schedules, such as this one and a factor; momentum is this schedule's.
     *
     * @param factor the schedule to multiply by
     * @return the schedule
     */
    default LearningRate times(LearningRate factor) {
        return plan -> {
            BoundRate rate = bind(plan);
            BoundRate times = factor.bind(plan);
            return BoundRates.withMomentumOf(rate, step -> rate.at(step) * times.at(step));
        };
    }

    /**
     * This schedule, moving only at the start of each epoch.
     *
     * @return the schedule
     */
    default LearningRate heldPerEpoch() {
        return plan -> BoundRates.heldPerEpoch(bind(plan), plan);
    }
}
