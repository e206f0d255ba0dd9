package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Differentiable operations that DJL lacks, or does in several steps; each is one call of libtorch.
 *
 * <p>Results attach to the manager of the <em>first input</em>, so that they live as long as the
 * batch they come from: give the activation first, never a parameter. Operations on channels_last
 * inputs give channels_last results.
 */
public final class TorchOps {

    private static final long MEAN = 1;

    private TorchOps() {}

    /**
     * Convolves images.
     *
     * @param x images (N, C, H, W)
     * @param weight filters (O, C / groups, kH, kW)
     * @param bias one value per filter, or null
     * @param stride step in both directions
     * @param padding zeros added on each side
     * @param dilation distance of the kernel's elements
     * @param groups groups of channels that are convolved apart
     * @return (N, O, H', W')
     */
    public static NDArray conv2d(
            NDArray x,
            NDArray weight,
            @Nullable NDArray bias,
            int stride,
            int padding,
            int dilation,
            int groups) {
        Tensor in = Tensors.view(x);
        try (TensorOptional b = Tensors.optional(bias)) {
            return Tensors.adopt(
                    x,
                    torch.conv2d(
                            in,
                            Tensors.view(weight),
                            b,
                            pair(stride),
                            pair(padding),
                            pair(dilation),
                            groups));
        }
    }

    /**
     * Normalises each channel, in training by the batch's own statistics, which also move the
     * running ones (in place), else by the running ones.
     *
     * @param x images (N, C, H, W) or rows (N, C)
     * @param gamma scale per channel
     * @param beta shift per channel
     * @param runningMean running mean per channel
     * @param runningVar running variance per channel (unbiased)
     * @param training whether to use the batch's statistics
     * @param momentum weight of the batch in the running statistics (PyTorch's sense; DJL's is one
     *     minus that)
     * @param eps added to the variance
     * @return an array like x
     */
    public static NDArray batchNorm(
            NDArray x,
            NDArray gamma,
            NDArray beta,
            NDArray runningMean,
            NDArray runningVar,
            boolean training,
            double momentum,
            double eps) {
        Tensor in = Tensors.view(x);
        try (TensorOptional g = Tensors.optional(gamma);
                TensorOptional b = Tensors.optional(beta);
                TensorOptional mean = Tensors.optional(runningMean);
                TensorOptional var = Tensors.optional(runningVar)) {
            return Tensors.adopt(
                    x, torch.batch_norm(in, g, b, mean, var, training, momentum, eps, true));
        }
    }

    /**
     * Returns x times its sigmoid.
     *
     * @param x any array
     * @return an array like x
     */
    public static NDArray silu(NDArray x) {
        return Tensors.adopt(x, torch.silu(Tensors.view(x)));
    }

    /**
     * Returns the positive part.
     *
     * @param x any array
     * @return an array like x
     */
    public static NDArray relu(NDArray x) {
        return Tensors.adopt(x, torch.relu(Tensors.view(x)));
    }

    /**
     * Returns x where positive, else x times a slope.
     *
     * @param x any array
     * @param slope factor of negative elements
     * @return an array like x
     */
    public static NDArray leakyRelu(NDArray x, double slope) {
        Tensor in = Tensors.view(x);
        try (Scalar s = new Scalar(slope)) {
            return Tensors.adopt(x, torch.leaky_relu(in, s));
        }
    }

    /**
     * Returns the logistic function.
     *
     * @param x any array
     * @return an array like x
     */
    public static NDArray sigmoid(NDArray x) {
        return Tensors.adopt(x, torch.sigmoid(Tensors.view(x)));
    }

    /**
     * Returns the maximum of each window; padding never wins.
     *
     * @param x images (N, C, H, W)
     * @param kernel side of the window
     * @param stride step in both directions
     * @param padding added on each side, at most half the kernel
     * @return (N, C, H', W')
     */
    public static NDArray maxPool2d(NDArray x, int kernel, int stride, int padding) {
        return Tensors.adopt(
                x,
                torch.max_pool2d(
                        Tensors.view(x),
                        pair(kernel),
                        pair(stride),
                        pair(padding),
                        pair(1),
                        false));
    }

    /**
     * Repeats each pixel.
     *
     * @param x images (N, C, H, W)
     * @param scale how often in each direction
     * @return (N, C, H * scale, W * scale)
     */
    public static NDArray upsampleNearest2d(NDArray x, int scale) {
        Tensor in = Tensors.view(x);
        long[] size = {in.size(2) * scale, in.size(3) * scale};
        return Tensors.adopt(
                x, torch.upsample_nearest2d(in, size, Tensors.noDouble(), Tensors.noDouble()));
    }

    /**
     * Joins arrays along an axis. Gradients of narrow channels_last arrays are copied out of the
     * joined one before they go on, since backward of what comes before is slow on such parts.
     *
     * @param arrays at least one, alike but for that axis
     * @param axis where to join
     * @return the joined array, attached to the first one's manager
     */
    public static NDArray concat(List<NDArray> arrays, int axis) {
        try (TensorVector vector = new TensorVector()) {
            vector.resize(arrays.size());
            for (int i = 0; i < arrays.size(); i++) {
                Tensor tensor = Tensors.view(arrays.get(i));
                DenseGradient.ask(tensor);
                vector.put(i, tensor);
            }
            return Tensors.adopt(arrays.get(0), torch.cat(vector, axis));
        }
    }

    /**
     * Returns the mean binary cross entropy of logits.
     *
     * @param logits before the sigmoid
     * @param targets probabilities, of the same shape
     * @param posWeight factor of the positive part that broadcasts to the logits, or null
     * @return a scalar
     */
    public static NDArray binaryCrossEntropyWithLogits(
            NDArray logits, NDArray targets, @Nullable NDArray posWeight) {
        Tensor in = Tensors.view(logits);
        try (TensorOptional weight = new TensorOptional();
                TensorOptional positive = Tensors.optional(posWeight)) {
            return Tensors.adopt(
                    logits,
                    torch.binary_cross_entropy_with_logits(
                            in, Tensors.view(targets), weight, positive, MEAN));
        }
    }

    /**
     * Multiplies by a number. DJL's own makes an array of the number, for which a GPU is waited
     * for.
     *
     * @param x any floating array
     * @param factor a number, rounded to the type of x
     * @return an array like x
     */
    public static NDArray times(NDArray x, double factor) {
        try (Scalar scalar = new Scalar(factor)) {
            return Tensors.adopt(x, Tensors.view(x).mul(scalar));
        }
    }

    /**
     * Adds a number. DJL's own makes an array of the number, for which a GPU is waited for.
     *
     * @param x any floating array
     * @param number a number, rounded to the type of x
     * @return an array like x
     */
    public static NDArray plus(NDArray x, double number) {
        try (Scalar scalar = new Scalar(number)) {
            return Tensors.adopt(x, Tensors.view(x).add(scalar));
        }
    }

    /**
     * Zeroes each element with a probability and scales the others up, by a generator of its own.
     *
     * @param x any floating array
     * @param p probability of an element to become zero
     * @param generator draws the mask
     * @return an array like x
     */
    public static NDArray dropout(NDArray x, double p, TorchGenerator generator) {
        Tensor in = Tensors.view(x);
        try (Tensor mask = dropoutMask(in, p, generator)) {
            return Tensors.adopt(x, in.mul(mask));
        }
    }

    private static Tensor dropoutMask(Tensor like, double p, TorchGenerator generator) {
        try (GradMode off = GradMode.disabled();
                GeneratorOptional g = Tensors.optional(generator);
                Scalar scale = new Scalar(p < 1 ? 1 / (1 - p) : 0)) {
            // what in-place functions return is their own tensor, not to be closed
            if (!like.is_cuda()) {
                Tensor mask = torch.empty_like(like);
                mask.bernoulli_(1 - p, g);
                mask.mul_(scale);
                return mask;
            }
            // The generator is the CPU's, so that a mask doesn't depend on the device.
            try (Tensor mask = Devices.emptyOnHost(like)) {
                mask.bernoulli_(1 - p, g);
                mask.mul_(scale);
                return SideStream.copy(mask, Devices.memory(like));
            }
        }
    }

    /**
     * Adds one to each element, in place.
     *
     * @param x an array that does not require a gradient, such as a count of batches
     */
    public static void increment(NDArray x) {
        Tensors.view(x).add_(Constants.ONE);
    }

    /**
     * Casts to float32, with gradient. An array that is float32 already is shared, not copied.
     *
     * @param x any floating array, bfloat16 included
     * @return the array in float32
     */
    public static NDArray toFloat32(NDArray x) {
        return Tensors.adopt(x, Tensors.view(x).to(ScalarType.Float));
    }

    /**
     * Casts to bfloat16, with gradient. DJL shows such an array's type as UNKNOWN and can do little
     * with it; cast it back by {@link #toFloat32}.
     *
     * @param x any floating array
     * @return the array in bfloat16
     */
    public static NDArray toBfloat16(NDArray x) {
        return Tensors.adopt(x, Tensors.view(x).to(ScalarType.BFloat16));
    }

    /**
     * Returns the type of an array's elements, also where DJL doesn't know it: for bfloat16 {@link
     * NDArray#getDataType()} gives UNKNOWN. Creating an array of such a type by DJL ends the JVM.
     *
     * @param array any array
     * @return the type; UNKNOWN if DJL has no name for it
     */
    public static DataType dataType(NDArray array) {
        DataType known = array.getDataType();
        if (known != DataType.UNKNOWN) {
            return known;
        }
        return Tensors.view(array).scalar_type().intern() == ScalarType.BFloat16
                ? DataType.BFLOAT16
                : DataType.UNKNOWN;
    }

    private static long[] pair(long value) {
        return new long[] {value, value};
    }

    /** Made after libtorch is loaded; never closed. */
    private static final class Constants {
        static final Scalar ONE = new Scalar(1L);
    }
}
