package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.LongArrayRefOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorType;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Type;
import org.bytedeco.pytorch.global.torch;

/**
 * A native list of arrays, made once, on which one call does what would be a loop over arrays.
 *
 * <p>It holds the tensors, not the {@code NDArray}s: they stay alive with the list even if the
 * arrays are closed. Operations work in place, are not recorded for backward, and see the same
 * memory as the arrays.
 */
public final class TensorList implements AutoCloseable {

    private final int size;
    private final IValue value;

    private TensorList(int size, IValue value) {
        this.size = size;
        this.value = value;
    }

    /**
     * Makes a list.
     *
     * @param arrays in order; may be empty
     * @return a list over the same memory
     */
    public static TensorList of(List<NDArray> arrays) {
        TorchRuntime.start();
        try (Type.TypePtr type = new Type.TypePtr(TensorType.get());
                GenericList list = new GenericList(type)) {
            list.reserve(arrays.size());
            for (NDArray array : arrays) {
                try (IValue tensor = new IValue(Tensors.view(array))) {
                    list.push_back(tensor);
                }
            }
            return new TensorList(arrays.size(), new IValue(list));
        }
    }

    /**
     * Makes a list of the gradients of parameters, as they are now.
     *
     * @param parameters arrays that all have a gradient
     * @return a list over the gradients' memory
     * @throws TorchException if one has none
     */
    public static TensorList ofGradients(List<NDArray> parameters) {
        TorchRuntime.start();
        try (Type.TypePtr type = new Type.TypePtr(TensorType.get());
                GenericList list = new GenericList(type)) {
            list.reserve(parameters.size());
            for (int i = 0; i < parameters.size(); i++) {
                Tensor gradient = Tensors.view(parameters.get(i)).grad();
                if (!gradient.defined()) {
                    throw TorchException.noGradient(i, parameters.get(i).getShape());
                }
                try (IValue tensor = new IValue(gradient)) {
                    list.push_back(tensor);
                }
            }
            return new TensorList(parameters.size(), new IValue(list));
        }
    }

    /**
     * Returns the number of arrays.
     *
     * @return 0 or more
     */
    public int size() {
        return size;
    }

    /** Sets all elements to zero. */
    public void zero() {
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.ZERO.call()) {
            call.list(this).run();
        }
    }

    /**
     * Multiplies all elements.
     *
     * @param factor by this
     */
    public void scale(double factor) {
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.MUL.call()) {
            call.list(this).number(factor).run();
        }
    }

    /**
     * Multiplies all elements, and looks for infinities and NaN before the product, in one pass.
     *
     * @param factor by this, in float32; such as the inverse of a loss scale
     * @return whether an element is not finite
     */
    public boolean scaleAndFindNonFinite(double factor) {
        if (size == 0) {
            return false;
        }
        try (GradMode off = GradMode.disabled();
                TensorVector tensors = value.toTensorVector();
                Device device = tensors.get(0).device();
                TensorOptions options = new TensorOptions(device);
                Tensor found = torch.zeros(new long[] {1}, options);
                Scalar scalar = new Scalar(factor);
                Tensor inverse = torch.full_like(found, scalar);
                IValue foundValue = new IValue(found);
                IValue inverseValue = new IValue(inverse);
                BoxedOp.Call call = Ops.UNSCALE.call()) {
            call.list(this).value(foundValue).value(inverseValue).run();
            return found.item_float() != 0;
        }
    }

    /**
     * Adds another list, times a factor.
     *
     * @param other as many arrays of the same shapes
     * @param factor of the other's elements
     */
    public void add(TensorList other, double factor) {
        requireSameSize("the list", "the one added", other);
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.ADD.call()) {
            call.list(this).list(other).number(factor).run();
        }
    }

    /**
     * Copies the elements of another list.
     *
     * @param other as many arrays of the same shapes
     */
    public void copyFrom(TensorList other) {
        requireSameSize("the list", "the one copied", other);
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.COPY.call()) {
            call.list(this).list(other).flag(false).run();
        }
    }

    /**
     * Returns the Euclidean norm over all elements, computed as PyTorch does: in float32, the norm
     * of the arrays' norms.
     *
     * @return the norm; infinite if it overflows float32, NaN if an element is
     */
    public double globalNorm() {
        return globalNorm(2);
    }

    /**
     * Returns a norm over all elements.
     *
     * @param order 1, 2 ... or infinity
     * @return the norm; 0 for an empty list
     */
    public double globalNorm(double order) {
        if (size == 0) {
            return 0;
        }
        try (Tensor norm = norm(order)) {
            return norm.item_double();
        }
    }

    /** The norm over all elements of a list that is not empty, where they are. */
    private Tensor norm(double order) {
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.NORM.call()) {
            call.list(this).number(order).none().run();
            try (TensorVector norms = call.result().toTensorVector();
                    Tensor stacked = torch.stack(norms);
                    Scalar ord = new Scalar(order);
                    LongArrayRefOptional all = new LongArrayRefOptional();
                    ScalarTypeOptional type = new ScalarTypeOptional()) {
                return torch.linalg_vector_norm(stacked, ord, all, false, type);
            }
        }
    }

    /**
     * Scales all elements down so that their Euclidean norm is at most a limit, without a look at
     * the norm, so that the host need not wait for a device that computes it. The elements are
     * those of {@link #clipToNorm(double)}, to rounding.
     *
     * @param max the limit; infinite to measure only
     * @return the norm before, for later
     */
    public LateNumbers clipToNormLater(double max) {
        try (GradMode off = GradMode.disabled();
                Tensor norm = norm(2)) {
            if (!Double.isInfinite(max)) {
                clip(norm, max);
            }
            return LateNumbers.of(norm);
        }
    }

    private void clip(Tensor norm, double max) {
        try (Scalar epsilon = new Scalar(1e-6);
                Scalar limit = new Scalar(max);
                Scalar one = new Scalar(1.);
                Tensor divisor = norm.add(epsilon);
                Tensor inverse = divisor.reciprocal();
                Tensor unlimited = inverse.mul(limit);
                Tensor factor = torch.clamp_max(unlimited, one);
                IValue value = new IValue(factor);
                BoxedOp.Call call = Ops.MUL_TENSOR.call()) {
            call.list(this).value(value).run();
        }
    }

    /**
     * Scales all elements down so that their Euclidean norm is at most a limit: PyTorch's {@code
     * clip_grad_norm_}. The factor is max / (norm + 1e-6), at most 1, in float32; so an infinite
     * norm makes finite elements 0 and infinite ones NaN, and a NaN makes all NaN.
     *
     * @param max the limit
     * @return the norm before
     */
    public double clipToNorm(double max) {
        return clipToNorm(max, 2);
    }

    /**
     * Scales all elements down so that a norm is at most a limit.
     *
     * @param max the limit
     * @param order 1, 2 ... or infinity
     * @return the norm before
     */
    public double clipToNorm(double max, double order) {
        double norm = globalNorm(order);
        float factor = Math.min(1f / ((float) norm + 1e-6f) * (float) max, 1f);
        if (factor != 1f) {
            scale(factor);
        }
        return norm;
    }

    /**
     * Moves each element towards another list's, in one pass: {@code this += (1 - decay) * (other -
     * this)}, which is {@code decay * this + (1 - decay) * other}.
     *
     * @param other as many floating arrays of the same shapes
     * @param decay how much stays
     */
    public void ema(TensorList other, double decay) {
        requireSameSize("the average", "the source", other);
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.LERP.call()) {
            call.list(this).list(other).number(1 - decay).run();
        }
    }

    /** Adds one to each element. */
    void increment() {
        if (size == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.INCREMENT.call()) {
            call.list(this).number(1).run();
        }
    }

    void requireSameSize(String name, String otherName, TensorList other) {
        if (size != other.size) {
            throw TorchException.sizesDiffer(name, size, otherName, other.size);
        }
    }

    IValue value() {
        return value;
    }

    /** Lets go of the tensors. */
    @Override
    public void close() {
        value.close();
    }

    private static final class Ops {
        static final BoxedOp ZERO = BoxedOp.of("_foreach_zero_", "");
        static final BoxedOp MUL = BoxedOp.of("_foreach_mul_", "Scalar");
        static final BoxedOp MUL_TENSOR = BoxedOp.of("_foreach_mul_", "Tensor");
        static final BoxedOp UNSCALE = BoxedOp.of("_amp_foreach_non_finite_check_and_unscale_", "");
        static final BoxedOp ADD = BoxedOp.of("_foreach_add_", "List");
        static final BoxedOp INCREMENT = BoxedOp.of("_foreach_add_", "Scalar");
        static final BoxedOp COPY = BoxedOp.of("_foreach_copy_", "");
        static final BoxedOp LERP = BoxedOp.of("_foreach_lerp_", "Scalar");
        static final BoxedOp NORM = BoxedOp.of("_foreach_norm", "Scalar");
    }
}
