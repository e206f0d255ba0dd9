package org.yoloddp.optim;

import org.yoloddp.error.ConfigurationException;

/**
 * Which optimizer to use, with everything but the learning rate, which comes anew at each step.
 *
 * <p>Formulas and defaults are PyTorch's. Immutable: each setter returns a changed copy.
 *
 * <pre>{@code
 * OptimizerSpec.sgd().momentum(0.937).nesterov().weightDecay(5e-4)
 * OptimizerSpec.adamW().betas(0.9, 0.999)
 * }</pre>
 */
public sealed interface OptimizerSpec permits SgdSpec, AdamSpec {

    /**
     * Returns plain stochastic gradient descent: no momentum, no weight decay.
     *
     * @return the specification
     */
    static SgdSpec sgd() {
        return new SgdSpec(0, 0, false, 0);
    }

    /**
     * Returns Adam, whose weight decay is added to the gradient: betas .9 and .999, eps 1e-8, no
     * weight decay.
     *
     * @return the specification
     */
    static AdamSpec adam() {
        return new AdamSpec(false, .9, .999, 1e-8, 0);
    }

    /**
     * Returns AdamW, whose weight decay shrinks the parameter itself: betas .9 and .999, eps 1e-8,
     * weight decay .01.
     *
     * @return the specification
     */
    static AdamSpec adamW() {
        return new AdamSpec(true, .9, .999, 1e-8, 1e-2);
    }

    /**
     * Returns the weight decay of parameters that are in no group with one of its own.
     *
     * @return the weight decay
     */
    double weightDecay();

    /**
     * Returns a copy with another weight decay.
     *
     * @param weightDecay 0 or more
     * @return the copy
     * @throws ConfigurationException if it lies outside its range
     */
    OptimizerSpec weightDecay(double weightDecay);

    /**
     * Returns the momentum, which for Adam and AdamW is the first beta: what a schedule may change
     * from step to step.
     *
     * @return the momentum
     */
    double momentum();

    /**
     * Returns the name under which programs know this optimizer.
     *
     * @return {@code SGD}, {@code Adam} or {@code AdamW}
     */
    String name();

    /**
     * Checks what single setters cannot, since they may be called in any order.
     *
     * @throws ConfigurationException if the options contradict each other
     */
    default void validate() {}
}
