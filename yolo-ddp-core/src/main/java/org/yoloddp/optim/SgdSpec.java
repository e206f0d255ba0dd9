package org.yoloddp.optim;

import org.yoloddp.error.ConfigurationException;

/**
 * Stochastic gradient descent in PyTorch's formula: the learning rate stays outside the momentum,
 * so that it can change from step to step.
 *
 * @param momentum the share of the previous direction that is kept, from 0 to below 1
 * @param dampening how much of a gradient is left out of the momentum, from 0 to 1
 * @param lookAhead whether to use Nesterov's momentum, which looks ahead along the direction
 * @param weightDecay the factor of the parameter that is added to its gradient, 0 or more
 */
public record SgdSpec(double momentum, double dampening, boolean lookAhead, double weightDecay)
        implements OptimizerSpec {

    /**
     * Checks each value by itself.
     *
     * @param momentum from 0 to below 1
     * @param dampening from 0 to 1
     * @param lookAhead whether to use Nesterov's momentum
     * @param weightDecay 0 or more
     * @throws ConfigurationException if one lies outside its range
     */
    public SgdSpec {
        Ranges.requireBelowOne("momentum", momentum);
        Ranges.requireShare("dampening", dampening);
        Ranges.requireNonNegative("weightDecay", weightDecay);
    }

    /**
     * Returns a copy with another momentum.
     *
     * @param momentum from 0 to below 1
     * @return the copy
     * @throws ConfigurationException if it lies outside its range
     */
    public SgdSpec momentum(double momentum) {
        return new SgdSpec(momentum, dampening, lookAhead, weightDecay);
    }

    /**
     * Returns a copy with another dampening.
     *
     * @param dampening from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it lies outside its range
     */
    public SgdSpec dampening(double dampening) {
        return new SgdSpec(momentum, dampening, lookAhead, weightDecay);
    }

    /**
     * Returns a copy with Nesterov's momentum; it needs momentum and no dampening.
     *
     * @return the copy
     */
    public SgdSpec nesterov() {
        return new SgdSpec(momentum, dampening, true, weightDecay);
    }

    @Override
    public SgdSpec weightDecay(double weightDecay) {
        return new SgdSpec(momentum, dampening, lookAhead, weightDecay);
    }

    @Override
    public String name() {
        return "SGD";
    }

    @Override
    public void validate() {
        if (lookAhead && (momentum == 0 || dampening != 0)) {
            throw new ConfigurationException(
                    "nesterov needs a momentum above 0 and a dampening of 0, got momentum "
                            + momentum
                            + " and dampening "
                            + dampening
                            + "; set momentum(...) and leave dampening alone, or drop nesterov()");
        }
    }
}
