package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Gradients that autograd makes anew in each step, behind tensors that stay the same.
 *
 * <p>Where a parameter has no gradient, autograd takes over what backward has computed, with the
 * parameter's strides; it adds to one that is there. So an undefined gradient saves filling it with
 * zeros, reading it and writing it again, as {@code zero_grad(set_to_none=True)} does in PyTorch.
 * But then each step has other tensors; {@link #collect} lets one tensor per parameter, which lists
 * of gradients may hold for good, take over the memory of the new one.
 *
 * <p>Not thread-safe; not while backward runs.
 */
public final class TakenGradients implements AutoCloseable {

    private final List<NDArray> parameters;
    private final List<Tensor> gradients = new ArrayList<>();
    private final Tensor nothing;

    private TakenGradients(List<NDArray> parameters) {
        this.parameters = List.copyOf(parameters);
        try (GradMode off = GradMode.disabled()) {
            nothing = Tensors.view(parameters.get(0)).new_empty(0);
            for (NDArray parameter : parameters) {
                Tensor gradient = torch.zeros_like(Tensors.view(parameter));
                gradients.add(gradient);
                Tensors.view(parameter).mutable_grad().put(gradient);
            }
        }
    }

    /**
     * Gives each parameter a gradient of zeros, which stays the same tensor.
     *
     * @param parameters one or more arrays that require a gradient, on one device, and stay open
     *     until this is closed
     * @return their gradients
     */
    public static TakenGradients of(List<NDArray> parameters) {
        TorchRuntime.start();
        return new TakenGradients(parameters);
    }

    /** Leaves all parameters without a gradient, and frees the memory of those they had. */
    public void release() {
        for (int i = 0; i < gradients.size(); i++) {
            gradients.get(i).set_data(nothing);
            Tensors.view(parameters.get(i)).mutable_grad().reset();
        }
    }

    /**
     * Takes over the gradients that backward has left; a parameter that has none gets zeros.
     *
     * @return which parameters have one, by their place in the list
     */
    public BitSet collect() {
        BitSet computed = new BitSet();
        try (GradMode off = GradMode.disabled()) {
            for (int i = 0; i < gradients.size(); i++) {
                Tensor parameter = Tensors.view(parameters.get(i));
                Tensor fresh = parameter.mutable_grad();
                if (fresh.defined()) {
                    computed.set(i);
                    gradients.get(i).set_data(fresh);
                } else {
                    try (Tensor zeros = torch.zeros_like(parameter)) {
                        gradients.get(i).set_data(zeros);
                    }
                }
                fresh.put(gradients.get(i));
            }
        }
        return computed;
    }

    /** Leaves all parameters without a gradient. Idempotent. */
    @Override
    public void close() {
        if (gradients.isEmpty()) {
            return;
        }
        parameters.forEach(GradientViews::unbind);
        gradients.forEach(Tensor::close);
        gradients.clear();
        nothing.close();
    }
}
