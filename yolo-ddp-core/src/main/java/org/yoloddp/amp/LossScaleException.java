package org.yoloddp.amp;

import org.yoloddp.error.YoloDdpException;

/**
 * A loss scale that has fallen as low as it can, since the gradients of every step were infinite or
 * NaN: then the reason is no overflow, and no smaller scale helps. PyTorch would go on and never
 * step again.
 */
public final class LossScaleException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private LossScaleException(String message) {
        super(message);
    }

    static LossScaleException tooLow(double scale) {
        return new LossScaleException(
                "gradients aren't finite even with the loss scaled by "
                        + scale
                        + ", and every step on the way down was skipped. The weights are those of"
                        + " the last step that was taken. Look at the data and the loss, or lower"
                        + " the learning rate; without loss scaling"
                        + " (Precision.withoutLossScaling()) the first loss that isn't finite is"
                        + " named");
    }
}
