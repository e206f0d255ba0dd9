package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** Lets the gradients of parameters live side by side in one flat array. */
public final class GradientViews {

    private GradientViews() {}

    /**
     * Makes the {@code .grad} of a parameter a view of a flat array, with the parameter's strides,
     * so that backward adds straight into it. Autograd never replaces it as long as it is defined.
     *
     * <p>A gradient that is there already moves: it stays the same tensor, so that lists of
     * gradients see the new memory too, but its elements are those of the flat array.
     *
     * @param parameter a dense array that requires a gradient
     * @param flat a one-dimensional array of the same type
     * @param offset first element of the view
     * @throws TorchException if the view does not fit
     */
    public static void bind(NDArray parameter, NDArray flat, long offset) {
        Tensor tensor = Tensors.view(parameter);
        Tensor memory = Tensors.view(flat);
        if (offset < 0 || offset + tensor.numel() > memory.numel()) {
            throw TorchException.outside(
                    "a gradient", parameter.getShape(), offset, memory.numel());
        }
        try (GradMode off = GradMode.disabled();
                LongOptional start = new LongOptional(memory.storage_offset() + offset);
                Tensor view =
                        memory.as_strided(Tensors.shape(tensor), Tensors.strides(tensor), start)) {
            Tensor gradient = tensor.mutable_grad();
            if (gradient.defined()) {
                gradient.set_data(view);
            } else {
                gradient.put(view);
            }
        }
    }

    /**
     * Makes the {@code .grad} of a parameter undefined, which ends a view.
     *
     * @param parameter an array that requires a gradient
     */
    public static void unbind(NDArray parameter) {
        Tensors.view(parameter).mutable_grad().reset();
    }

    /**
     * Returns the gradient of a parameter, sharing its memory. It attaches to the parameter's
     * manager: close it, or give a manager.
     *
     * @param parameter an array that requires a gradient
     * @return its gradient, or null if it has none
     */
    public static @Nullable NDArray gradient(NDArray parameter) {
        return gradient(parameter.getManager(), parameter);
    }

    /**
     * Returns the gradient of a parameter, sharing its memory.
     *
     * @param manager what the result attaches to
     * @param parameter an array that requires a gradient
     * @return its gradient, or null if it has none
     */
    public static @Nullable NDArray gradient(NDManager manager, NDArray parameter) {
        Tensor gradient = Tensors.view(parameter).grad();
        if (!gradient.defined()) {
            gradient.close();
            return null;
        }
        // grad() gives a reference into the parameter; the array needs a handle of its own
        Tensor handle = new Tensor(gradient);
        gradient.close();
        return Tensors.adopt(manager, handle);
    }
}
