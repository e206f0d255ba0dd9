package org.yoloddp.optim;

import org.yoloddp.error.ConfigurationException;

/**
 * Adam and AdamW in PyTorch's formulas.
 *
 * @param decoupled true for AdamW, whose weight decay shrinks the parameter itself
 * @param beta1 the share of the mean gradient that is kept, from 0 to below 1
 * @param beta2 the share of the mean squared gradient that is kept, from 0 to below 1
 * @param eps what keeps the denominator from zero, 0 or more
 * @param weightDecay 0 or more
 */
public record AdamSpec(
        boolean decoupled, double beta1, double beta2, double eps, double weightDecay)
        implements OptimizerSpec {

    /**
     * Checks each value by itself.
     *
     * @param decoupled true for AdamW
     * @param beta1 from 0 to below 1
     * @param beta2 from 0 to below 1
     * @param eps 0 or more
     * @param weightDecay 0 or more
     * @throws ConfigurationException if one lies outside its range
     */
    public AdamSpec {
        Ranges.requireBelowOne("beta1", beta1);
        Ranges.requireBelowOne("beta2", beta2);
        Ranges.requireNonNegative("eps", eps);
        Ranges.requireNonNegative("weightDecay", weightDecay);
    }

    /**
     * Returns a copy with other betas.
     *
     * @param beta1 from 0 to below 1
     * @param beta2 from 0 to below 1
     * @return the copy
     * @throws ConfigurationException if one lies outside its range
     */
    public AdamSpec betas(double beta1, double beta2) {
        return new AdamSpec(decoupled, beta1, beta2, eps, weightDecay);
    }

    /**
     * Returns a copy with another eps.
     *
     * @param eps 0 or more
     * @return the copy
     * @throws ConfigurationException if it lies outside its range
     */
    public AdamSpec eps(double eps) {
        return new AdamSpec(decoupled, beta1, beta2, eps, weightDecay);
    }

    @Override
    public AdamSpec weightDecay(double weightDecay) {
        return new AdamSpec(decoupled, beta1, beta2, eps, weightDecay);
    }

    @Override
    public double momentum() {
        return beta1;
    }

    @Override
    public String name() {
        return decoupled ? "AdamW" : "Adam";
    }
}
