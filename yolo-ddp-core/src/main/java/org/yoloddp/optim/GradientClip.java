package org.yoloddp.optim;

import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.LateNumbers;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/**
 * Limits the norm of the gradients of all groups together, as PyTorch's {@code clip_grad_norm_}
 * does: longer gradients are scaled by max / (norm + 1e-6).
 *
 * <p>The norm is combined from the norms of the parameters, in model order, on every rank from all
 * gradients. So ranks that hold the same reduced gradients find the same bits, whatever buckets
 * these lie in and whether or not the optimizer's state is divided over the ranks.
 *
 * <p>Gradients are looked up once; not thread-safe, belongs to one rank.
 */
public final class GradientClip implements AutoCloseable {

    private final TensorList gradients;
    private final double maxNorm;

    private GradientClip(TensorList gradients, double maxNorm) {
        this.gradients = gradients;
        this.maxNorm = maxNorm;
    }

    /**
     * Creates a limit for all trainable parameters.
     *
     * @param state the parameters, with gradients bound
     * @param maxNorm the longest norm that is left as it is, 0 or more; infinite to measure only
     * @return the limit
     * @throws ConfigurationException if the norm is negative or NaN
     */
    public static GradientClip create(StateDict state, double maxNorm) {
        if (!(maxNorm >= 0)) {
            throw new ConfigurationException(
                    "maxNorm is " + maxNorm + ", must be 0 or more, infinite for no limit");
        }
        return new GradientClip(
                TensorList.ofGradients(
                        state.trainable().stream().map(StateDict.Entry::array).toList()),
                maxNorm);
    }

    /**
     * Clips the gradients in place.
     *
     * @return their norm before, for logs: NaN or infinite if a gradient is
     */
    public double apply() {
        return Double.isInfinite(maxNorm) ? gradients.globalNorm() : gradients.clipToNorm(maxNorm);
    }

    /**
     * Clips the gradients in place without waiting for a device that computes their norm.
     *
     * @return their norm before, to be read later
     */
    public LateNumbers applyLater() {
        return gradients.clipToNormLater(maxNorm);
    }

    /** Forgets the gradients. Idempotent. */
    @Override
    public void close() {
        gradients.close();
    }
}
