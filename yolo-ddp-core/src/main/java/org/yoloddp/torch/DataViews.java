package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;

/** Lets the elements of parameters live side by side in one flat array. */
public final class DataViews {

    private DataViews() {}

    /**
     * Copies the elements of a parameter into a flat array and lets it live there from now on, with
     * its strides. It stays the same parameter, for autograd, for lists that hold it and for its
     * block; only its address changes.
     *
     * @param parameter a dense array
     * @param flat a one-dimensional array of the same type, which must outlive the binding
     * @param offset first element of the view
     * @throws TorchException if the view does not fit
     */
    public static void bind(NDArray parameter, NDArray flat, long offset) {
        Tensor tensor = Tensors.view(parameter);
        Tensor memory = Tensors.view(flat);
        if (offset < 0 || offset + tensor.numel() > memory.numel()) {
            throw TorchException.outside(
                    "a parameter", parameter.getShape(), offset, memory.numel());
        }
        try (GradMode off = GradMode.disabled();
                LongOptional start = new LongOptional(memory.storage_offset() + offset);
                Tensor view =
                        memory.as_strided(Tensors.shape(tensor), Tensors.strides(tensor), start)) {
            view.copy_(tensor);
            tensor.set_data(view);
        }
    }

    /**
     * Gives a parameter memory of its own again, with the same elements and strides.
     *
     * @param parameter a dense array
     */
    public static void unbind(NDArray parameter) {
        Tensor tensor = Tensors.view(parameter);
        try (GradMode off = GradMode.disabled();
                Tensor data = tensor.detach();
                Tensor own = data.clone()) {
            tensor.set_data(own);
        }
    }
}
