package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * The way between DJL's arrays and the binding's tensors; both are handles of the same {@code
 * at::Tensor}.
 *
 * <p>Whoever writes an op: {@link #view} its inputs (free, owns nothing), call the binding, {@link
 * #adopt} the result, and close every other object that the binding made.
 */
final class Tensors {

    private Tensors() {}

    /** The tensor of an array, valid while the array is open. It owns nothing; no need to close. */
    static Tensor view(NDArray array) {
        TorchRuntime.start();
        if (!(array instanceof PtNDArray torch)) {
            throw TorchException.notTorch(array);
        }
        return new Tensor(new Address(torch.getHandle()));
    }

    /**
     * Makes a tensor an array of a manager, which owns it from now on. Both sides allocate and free
     * an {@code at::Tensor} by plain new and delete, so that ownership can pass; the tensor must
     * not be used afterwards.
     */
    static PtNDArray adopt(NDManager manager, Tensor tensor) {
        PtNDArray array;
        try {
            array = new PtNDArray((PtNDManager) manager, tensor.address());
        } catch (RuntimeException e) {
            tensor.close();
            throw e;
        }
        tensor.deallocate(false);
        return array;
    }

    /** The result of an op goes where its first input lives. */
    static PtNDArray adopt(NDArray input, Tensor tensor) {
        return adopt(input.getManager(), tensor);
    }

    static TensorOptional optional(@Nullable NDArray array) {
        return array == null ? new TensorOptional() : new TensorOptional(view(array));
    }

    static DoubleOptional noDouble() {
        return Constants.NO_DOUBLE;
    }

    static GeneratorOptional optional(TorchGenerator generator) {
        return new GeneratorOptional(generator.generator());
    }

    static ScalarType scalarType(DataType type) {
        return switch (type) {
            case FLOAT32 -> ScalarType.Float;
            case FLOAT64 -> ScalarType.Double;
            case FLOAT16 -> ScalarType.Half;
            case BFLOAT16 -> ScalarType.BFloat16;
            case INT8 -> ScalarType.Char;
            case UINT8 -> ScalarType.Byte;
            case INT16 -> ScalarType.Short;
            case INT32 -> ScalarType.Int;
            case INT64 -> ScalarType.Long;
            case BOOLEAN -> ScalarType.Bool;
            default -> throw TorchException.unsupportedType(type);
        };
    }

    static long[] shape(Tensor tensor) {
        long[] shape = new long[Math.toIntExact(tensor.dim())];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = tensor.size(i);
        }
        return shape;
    }

    static long[] strides(Tensor tensor) {
        long[] strides = new long[Math.toIntExact(tensor.dim())];
        for (int i = 0; i < strides.length; i++) {
            strides[i] = tensor.stride(i);
        }
        return strides;
    }

    /** A pointer that owns nothing. */
    static final class Address extends Pointer {
        Address(long address) {
            super((Pointer) null);
            this.address = address;
        }
    }

    /** Made after libtorch is loaded; never closed, never written. */
    private static final class Constants {
        static final DoubleOptional NO_DOUBLE = new DoubleOptional();
    }
}
