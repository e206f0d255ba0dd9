package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.LossOps;
import org.yoloddp.torch.TorchOps;

/** Binary cross entropy that counts less what is right already. */
final class FocalLoss {

    private static final double ALPHA = 0.25;

    private FocalLoss() {}

    static NDArray of(
            NDArray logits, NDArray targets, @Nullable NDArray positiveWeight, double gamma) {
        NDArray entropy = LossOps.binaryCrossEntropyWithLogits(logits, targets, positiveWeight);
        NDArray probability = TorchOps.sigmoid(logits);
        NDArray negative = targets.neg().add(1);
        NDArray right = targets.mul(probability).add(negative.mul(probability.neg().add(1)));
        NDArray alpha = targets.mul(ALPHA).add(negative.mul(1 - ALPHA));
        return entropy.mul(alpha).mul(right.neg().add(1).pow(gamma)).mean();
    }
}
