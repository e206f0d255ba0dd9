package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.Tensor;

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
        Tensor tensor = Tensors.view(loss);
        try {
            tensor.backward();
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
