package org.yoloddp.schedule;

import java.util.Arrays;

/**
 * What changes from step to step besides the weights.
 *
 * @param learningRates the learning rate of each parameter group, in the optimizer's order
 * @param momentum the momentum, or NaN for the optimizer's own
 * @param accumulate how many batches the gradients of one optimizer step are summed over: summed,
 *     not averaged, so a loss that is a mean over the batch has to be scaled; what has come
 *     together at the end of an epoch is applied
 */
public record Hyperparameters(double[] learningRates, double momentum, int accumulate) {

    /**
     * Copies the learning rates.
     *
     * @param learningRates the learning rate of each parameter group, in the optimizer's order
     * @param momentum the momentum, or NaN for the optimizer's own
     * @param accumulate how many batches the gradients of one optimizer step are summed over
     * @throws org.yoloddp.error.ConfigurationException if accumulate is below 1
     */
    public Hyperparameters {
        Checks.atLeast("batches to accumulate", accumulate, 1);
        learningRates = learningRates.clone();
    }

    /**
     * The learning rate of each parameter group.
     *
     * @return a copy
     */
    @Override
    public double[] learningRates() {
        return learningRates.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Hyperparameters that
                && Arrays.equals(that.learningRates, learningRates)
                && Double.compare(that.momentum, momentum) == 0
                && that.accumulate == accumulate;
    }

    @Override
    public int hashCode() {
        return 31 * (31 * Arrays.hashCode(learningRates) + Double.hashCode(momentum)) + accumulate;
    }

    @Override
    public String toString() {
        return "Hyperparameters[learningRates="
                + Arrays.toString(learningRates)
                + ", momentum="
                + momentum
                + ", accumulate="
                + accumulate
                + "]";
    }
}
