package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import org.yoloddp.torch.TorchOps;

/** The activations that a model description may name. */
final class Activations {

    private static final double LEAKY_SLOPE = 0.01;

    private Activations() {}

    static NDArray apply(String name, NDArray x) {
        return switch (name) {
            case "silu" -> TorchOps.silu(x);
            case "relu" -> TorchOps.relu(x);
            case "leakyrelu" -> TorchOps.leakyRelu(x, LEAKY_SLOPE);
            default -> throw new IllegalArgumentException(name);
        };
    }
}
