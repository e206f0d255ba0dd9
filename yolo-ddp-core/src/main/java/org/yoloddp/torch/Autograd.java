package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;

/** Runs backward without DJL's gradient collector, of which a JVM can have one at a time. */
public final class Autograd {

    private Autograd() {}

    /**
     * Adds the gradients of a loss to the {@code .grad} of every parameter that it depends on, and
     * frees the graph.
     *
     * @param loss a scalar, computed with gradient mode on
     * @throws TorchException if libtorch refuses it, for instance because nothing requires a
     *     gradient
     */
    public static void backward(NDArray loss) {
        backward(loss, 1);
    }

    /**
     * As {@link #backward(NDArray)}, but of the loss times a factor: gradients come out that many
     * times larger, and the product itself is never computed, so that it cannot overflow.
     *
     * @param loss a scalar, computed with gradient mode on
     * @param factor scales the gradients, such as a loss scale
     * @throws TorchException if libtorch refuses it, for instance because nothing requires a
     *     gradient
     */
    public static void backward(NDArray loss, double factor) {
        Tensor tensor = Tensors.view(loss);
        if (factor == 1) {
            run(tensor::backward);
            return;
        }
        try (Scalar value = new Scalar(factor);
                Tensor seed = torch.full_like(tensor, value);
                BoolOptional keepGraph = new BoolOptional();
                TensorArrayRefOptional allInputs = new TensorArrayRefOptional()) {
            run(() -> tensor.backward(seed, keepGraph, false, allInputs));
        }
    }

    private static void run(Runnable backward) {
        try {
            backward.run();
        } catch (RuntimeException e) {
            throw TorchException.backward(e);
        }
    }

    /**
     * Tells whether backward computes a gradient of an array, whoever has last said so.
     *
     * @param array any array
     * @return whether it requires a gradient
     */
    public static boolean requiresGradient(NDArray array) {
        return Tensors.view(array).requires_grad();
    }
}
