package org.yoloddp.schedule;

import java.util.Arrays;
import java.util.List;

/** Learning rates by parameter group, momentum and accumulation, bound once to the plan. */
@FunctionalInterface
public interface HyperparameterSchedule {

    /**
     * Binds the schedule to a training.
     *
     * @param plan the length of the training and of its epochs
     * @param groups how many parameter groups the optimizer has
     * @return the hyperparameters as a function of the step
     * @throws org.yoloddp.error.ConfigurationException if the schedule does not fit the plan
     */
    Bound bind(SchedulePlan plan, int groups);

    /** Hyperparameters as a pure function of the step. */
    @FunctionalInterface
    interface Bound {

        /**
         * The hyperparameters in force during a step.
         *
         * @param step the number of the batch since the start, from 0
         * @return the hyperparameters
         */
        Hyperparameters at(long step);

        /**
         * Whether the optimizer steps after this batch, because enough batches were accumulated.
         *
         * @param step the number of the batch since the start, from 0
         * @return true when it does
         */
        default boolean updatesAfter(long step) {
            return (step + 1) % at(step).accumulate() == 0;
        }

        /**
         * Whether gradients of too few batches that are left at the end of an epoch are applied
         * there all the same. Otherwise they are thrown away, though the batches still count.
         *
         * @return true unless the schedule says otherwise
         */
        default boolean appliesRest() {
            return true;
        }
    }

    /**
     * Throws away what is accumulated at the end of an epoch without being enough for a step of the
     * optimizer, as YOLOv5 does: it sets gradients to zero when an epoch begins, but goes on
     * counting batches. By default such a rest is applied.
     *
     * @return a schedule that differs in this alone
     */
    default HyperparameterSchedule droppingRest() {
        return (plan, groups) -> {
            Bound bound = bind(plan, groups);
            return new Bound() {
                @Override
                public Hyperparameters at(long step) {
                    return bound.at(step);
                }

                @Override
                public boolean updatesAfter(long step) {
                    return bound.updatesAfter(step);
                }

                @Override
                public boolean appliesRest() {
                    return false;
                }
            };
        };
    }

    /**
     * One learning rate for all groups, the momentum that it gives, no accumulation.
     *
     * @param rate the learning rate
     * @return the schedule
     */
    static HyperparameterSchedule of(LearningRate rate) {
        return of(rate, 1);
    }

    /**
     * One learning rate for all groups, the momentum that it gives, constant accumulation.
     *
     * @param rate the learning rate
     * @param accumulate how many batches one optimizer step is made from, their gradients being
     *     summed, as {@link Hyperparameters#accumulate} says
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if accumulate is below 1
     */
    static HyperparameterSchedule of(LearningRate rate, int accumulate) {
        Checks.atLeast("batches to accumulate", accumulate, 1);
        return (plan, groups) -> {
            BoundRate bound = rate.bind(plan);
            return step -> {
                double[] rates = new double[groups];
                Arrays.fill(rates, bound.at(step));
                return new Hyperparameters(rates, bound.momentumAt(step), accumulate);
            };
        };
    }

    /**
     * A learning rate for each group, the momentum that the first one gives, no accumulation.
     *
     * @param rates the learning rates in the order of the optimizer's groups
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if there are none
     */
    static HyperparameterSchedule perGroup(LearningRate... rates) {
        Checks.atLeast("learning rates by parameter group", rates.length, 1);
        List<LearningRate> parts = List.of(rates);
        return (plan, groups) -> {
            Checks.onePerGroup(parts.size(), groups);
            List<BoundRate> bound = parts.stream().map(rate -> rate.bind(plan)).toList();
            return step ->
                    new Hyperparameters(
                            bound.stream().mapToDouble(rate -> rate.at(step)).toArray(),
                            bound.get(0).momentumAt(step),
                            1);
        };
    }
}
