package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Differentiable losses without reduction. */
public final class LossOps {

    private static final long NONE = 0;

    private LossOps() {}

    /**
     * Returns the binary cross entropy of each logit.
     *
     * @param logits before the sigmoid
     * @param targets probabilities, of the same shape
     * @param posWeight factor of the positive part that broadcasts to the logits, or null
     * @return an array like the logits
     */
    public static NDArray binaryCrossEntropyWithLogits(
            NDArray logits, NDArray targets, @Nullable NDArray posWeight) {
        try (TensorOptional weight = new TensorOptional();
                TensorOptional positive = Tensors.optional(posWeight)) {
            return Tensors.adopt(
                    logits,
                    torch.binary_cross_entropy_with_logits(
                            Tensors.view(logits), Tensors.view(targets), weight, positive, NONE));
        }
    }
}
