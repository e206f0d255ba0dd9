package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.VoidTensorHook;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Batch norm of a part of a batch by the statistics of the whole, whose other parts are elsewhere.
 *
 * <p>The forward normalises by given statistics, as libtorch does in evaluation. What its backward
 * then lacks is how the input changes the statistics: with dy the gradient of the output, x̂ the
 * normalised input and N the number of values per channel in the whole batch,
 *
 * <pre>{@code dx = γ · invstd · (dy − Σdy / N − x̂ · Σ(dy · x̂) / N)}</pre>
 *
 * <p>where the sums go over the whole batch. libtorch gives the first term, and this part's sums as
 * the gradients of β and γ; a hook on the input adds the others. Hooks run on the thread that runs
 * this part of backward: the caller's on a CPU, one of libtorch's own on a GPU.
 *
 * <p>An instance serves all layers of a model. It keeps the hooks of a forward until its backward
 * has called them, or {@link #release}. Belongs to one rank: backward of one graph must not overlap
 * with the forward of the next.
 */
public final class SharedBatchNorm implements AutoCloseable {

    /**
     * The statistics of each channel.
     *
     * @param count the number of values per channel, 0 or more
     * @param mean their mean; 0 without values
     * @param variance their mean squared deviation (biased); 0 without values
     */
    public record Moments(long count, double[] mean, double[] variance) {

        /**
         * Combines the statistics of parts, without the cancellation of summing squares: the
         * variance is that within the parts and that of their means.
         *
         * @param parts at least one, of the same channels
         * @return the statistics of the whole
         */
        public static Moments combine(List<Moments> parts) {
            int channels = parts.get(0).mean.length;
            double[] mean = new double[channels];
            double[] variance = new double[channels];
            long count = parts.stream().mapToLong(Moments::count).sum();
            for (int c = 0; count > 0 && c < channels; c++) {
                for (Moments part : parts) {
                    mean[c] += (double) part.count / count * part.mean[c];
                }
                for (Moments part : parts) {
                    double off = part.mean[c] - mean[c];
                    variance[c] += (double) part.count / count * (part.variance[c] + off * off);
                }
            }
            return new Moments(count, mean, variance);
        }
    }

    private final Queue<Layer> layers = new ConcurrentLinkedQueue<>();
    private volatile @Nullable Throwable failure;

    /** Creates one without hooks. */
    public SharedBatchNorm() {
        TorchRuntime.start();
    }

    /**
     * Computes the statistics of a batch, without gradient.
     *
     * @param x images (N, C, H, W) in any layout or rows (N, C), of any floating type; N may be 0
     * @return by channel
     */
    public static Moments moments(NDArray x) {
        Tensor in = Tensors.view(x);
        int channels = Math.toIntExact(in.size(1));
        long count = channels == 0 ? 0 : in.numel() / channels;
        if (count == 0) {
            return new Moments(0, new double[channels], new double[channels]);
        }
        // Given statistics of its own type, libtorch would round those of a bfloat16 batch to it.
        ScalarType wide = in.element_size() == Double.BYTES ? ScalarType.Double : ScalarType.Float;
        try (GradMode off = GradMode.disabled();
                Tensor data = in.detach();
                Tensor runningMean = ofType(new double[channels], wide, in);
                Tensor runningVar = ofType(new double[channels], wide, in);
                TensorOptional mean = new TensorOptional(runningMean);
                TensorOptional variance = new TensorOptional(runningVar);
                T_TensorTensor_T found = torch.batch_norm_update_stats(data, mean, variance, 0)) {
            return new Moments(count, doubles(found.get0()), doubles(found.get1()));
        }
    }

    /**
     * Moves running statistics towards those of a batch, in place, as PyTorch does: the variance is
     * the unbiased one.
     *
     * @param runningMean by channel
     * @param runningVar by channel
     * @param batch of the whole batch, of two values per channel or more
     * @param momentum weight of the batch (PyTorch's sense; DJL's is one minus that)
     */
    public static void updateRunning(
            NDArray runningMean, NDArray runningVar, Moments batch, double momentum) {
        double[] unbiased = batch.variance().clone();
        for (int c = 0; c < unbiased.length; c++) {
            unbiased[c] *= batch.count() / (batch.count() - 1.0);
        }
        move(runningMean, batch.mean(), momentum);
        move(runningVar, unbiased, momentum);
    }

    private static void move(NDArray running, double[] towards, double momentum) {
        Tensor tensor = Tensors.view(running);
        try (GradMode off = GradMode.disabled();
                Tensor target = ofType(towards, tensor.scalar_type().intern(), tensor);
                Scalar keep = new Scalar(1 - momentum);
                Scalar take = new Scalar(momentum)) {
            tensor.mul_(keep);
            tensor.add_(target, take);
        }
    }

    /**
     * Normalises a part of a batch by the statistics of the whole.
     *
     * @param x the part: images (N, C, H, W) in any layout or rows (N, C)
     * @param gamma scale per channel
     * @param beta shift per channel
     * @param whole the statistics of the whole batch
     * @param eps added to the variance
     * @param sumOverParts called once in backward if a gradient of x is asked for: adds up numbers
     *     over all parts, in place. What it throws never reaches libtorch; {@link #failure} keeps
     *     the first, and later layers don't call
     * @return an array like x
     */
    public NDArray normalise(
            NDArray x,
            NDArray gamma,
            NDArray beta,
            Moments whole,
            double eps,
            Consumer<double[]> sumOverParts) {
        Tensor in = Tensors.view(x);
        ScalarType type = Tensors.view(gamma).scalar_type().intern();
        double[] scale = doubles(Tensors.view(gamma));
        try (Tensor mean = ofType(whole.mean(), type, in);
                Tensor variance = ofType(whole.variance(), type, in)) {
            return normalise(
                    x,
                    gamma,
                    beta,
                    new Tensor[] {mean, variance},
                    eps,
                    new NormCoefficients.OfHost(scale, whole, eps, sumOverParts));
        }
    }

    /**
     * Normalises a part of a batch by the statistics of the whole, without waiting for the device
     * that computes them, neither here nor in backward.
     *
     * @param x the part: images (N, C, H, W) in any layout or rows (N, C)
     * @param gamma scale per channel
     * @param beta shift per channel
     * @param whole the statistics of the whole batch, see {@link DeviceMoments}; open until after
     *     backward
     * @param eps added to the variance
     * @param sumOverParts called once in backward if a gradient of x is asked for, as for the other
     *     method: adds up an array over all parts, in place
     * @return an array like x
     */
    public NDArray normalise(
            NDArray x,
            NDArray gamma,
            NDArray beta,
            NDArray whole,
            double eps,
            Consumer<NDArray> sumOverParts) {
        ScalarType type = Tensors.view(gamma).scalar_type().intern();
        Tensor moments = Tensors.view(whole);
        try (Tensor wideMean = DeviceMoments.mean(moments);
                Tensor wideVariance = DeviceMoments.variance(moments);
                Tensor mean = wideMean.to(type);
                Tensor variance = wideVariance.to(type)) {
            return normalise(
                    x,
                    gamma,
                    beta,
                    new Tensor[] {mean, variance},
                    eps,
                    new NormCoefficients.OfDevice(gamma, whole, eps, sumOverParts));
        }
    }

    private NDArray normalise(
            NDArray x,
            NDArray gamma,
            NDArray beta,
            Tensor[] meanAndVariance,
            double eps,
            NormCoefficients coefficients) {
        Tensor in = Tensors.view(x);
        Tensor scale = Tensors.view(gamma);
        Tensor shift = Tensors.view(beta);
        Tensor mean = meanAndVariance[0];
        Tensor variance = meanAndVariance[1];
        removeDone();
        if (!GradMode.isEnabled() || !in.requires_grad()) {
            return Tensors.adopt(x, given(in, scale, shift, mean, variance, eps));
        }
        Layer layer = new Layer(in, coefficients);
        // Of handles made later backward runs the hooks first: those of gamma and beta, whose
        // gradients are this part's sums, before that of the input, which needs them.
        try (Tensor input = in.alias();
                Tensor g = handle(scale);
                Tensor b = handle(shift)) {
            layer.watch(input, g, b);
            layers.add(layer);
            return Tensors.adopt(x, given(input, g, b, mean, variance, eps));
        }
    }

    /** A frozen parameter gets a gradient too, for the sum that it is, and nobody sees it. */
    private static Tensor handle(Tensor parameter) {
        return parameter.requires_grad()
                ? parameter.alias()
                : parameter.detach().set_requires_grad(true);
    }

    private static Tensor given(
            Tensor in, Tensor scale, Tensor shift, Tensor mean, Tensor variance, double eps) {
        try (TensorOptional g = new TensorOptional(scale);
                TensorOptional b = new TensorOptional(shift);
                TensorOptional m = new TensorOptional(mean);
                TensorOptional v = new TensorOptional(variance)) {
            return torch.batch_norm(in, g, b, m, v, false, 0, eps, true);
        }
    }

    /**
     * Returns what a hook of the last backward has thrown first.
     *
     * @return the failure, or null
     */
    public @Nullable Throwable failure() {
        return failure;
    }

    private void removeDone() {
        for (Iterator<Layer> each = layers.iterator(); each.hasNext(); ) {
            Layer layer = each.next();
            if (layer.done) {
                each.remove();
                layer.close();
            }
        }
    }

    /**
     * Lets go of all hooks; call it when no backward is under way or pending, also of graphs that
     * were made and dropped.
     */
    public void release() {
        layers.forEach(Layer::close);
        layers.clear();
    }

    @Override
    public void close() {
        release();
    }

    static double[] doubles(Tensor tensor) {
        double[] values = new double[Math.toIntExact(tensor.numel())];
        try (GradMode off = GradMode.disabled();
                Tensor data = tensor.detach();
                Tensor host = data.cpu();
                Tensor wide = host.to(ScalarType.Double);
                Tensor ordered = wide.contiguous()) {
            ordered.data_ptr_double().get(values);
        }
        return values;
    }

    /** A copy of numbers, where another tensor lives. */
    static Tensor ofType(double[] values, ScalarType type, Tensor like) {
        try (GradMode off = GradMode.disabled();
                TensorOptions options = new TensorOptions(ScalarType.Double);
                DoublePointer memory = new DoublePointer(values);
                Tensor view = torch.from_blob(memory, new long[] {values.length}, options);
                Tensor own = view.clone();
                Device device = like.device()) {
            return own.to(device, type);
        }
    }

    /** What backward needs of one layer. */
    private final class Layer implements AutoCloseable {

        private final Tensor x;
        private final NormCoefficients coefficients;
        private final Sum gammaSum = new Sum();
        private final Sum betaSum = new Sum();
        private final InputHook inputHook = new InputHook(this);
        private volatile boolean done;

        Layer(Tensor x, NormCoefficients coefficients) {
            this.x = x.detach();
            this.coefficients = coefficients;
        }

        void watch(Tensor input, Tensor g, Tensor b) {
            input.register_hook(inputHook);
            g.register_hook(gammaSum);
            b.register_hook(betaSum);
        }

        /** Adds what the statistics contribute to a gradient that took them for constants. */
        private Tensor correct(Tensor gradient) {
            long[] shape = new long[Math.toIntExact(x.dim())];
            Arrays.fill(shape, 1);
            shape[1] = x.size(1);
            ScalarType wide =
                    x.element_size() == Double.BYTES ? ScalarType.Double : ScalarType.Float;
            try (GradMode off = GradMode.disabled()) {
                Tensor[] both = coefficients.of(betaSum.take(), gammaSum.take(), wide);
                return corrected(gradient, both[0], both[1], wide, shape);
            }
        }

        private Tensor corrected(
                Tensor gradient, Tensor slope, Tensor offset, ScalarType wide, long[] shape) {
            try (Tensor slopes = slope;
                    Tensor offsets = offset;
                    Tensor slopeOfChannel = slopes.reshape(shape);
                    Tensor offsetOfChannel = offsets.reshape(shape);
                    Tensor values = x.to(wide);
                    Tensor correction = torch.addcmul(offsetOfChannel, values, slopeOfChannel);
                    Tensor sum = gradient.add(correction)) {
                return sum.to(gradient.scalar_type().intern());
            }
        }

        @Override
        public void close() {
            x.close();
            inputHook.close();
            gammaSum.close();
            betaSum.close();
        }
    }

    /** Keeps the gradient of beta or gamma. */
    private final class Sum extends VoidTensorHook {

        private @Nullable Tensor values;

        @Override
        public void call(TensorBase gradient) {
            try (GradMode off = GradMode.disabled();
                    Tensor tensor = new Tensor(gradient);
                    Tensor data = tensor.detach();
                    Tensor wide = data.to(ScalarType.Double)) {
                drop();
                // Autograd may add to the gradient itself.
                values = wide.clone();
            } catch (Throwable t) {
                fail(t);
            } finally {
                gradient.close();
            }
        }

        private void drop() {
            if (values != null) {
                values.close();
                values = null;
            }
        }

        @Override
        public void close() {
            drop();
            super.close();
        }

        Tensor take() {
            if (values == null) {
                throw new IllegalStateException(
                        "libtorch has computed the gradient of a batch norm's input before those of"
                                + " its parameters");
            }
            return values;
        }
    }

    private final class InputHook extends GradientHook {

        private final Layer layer;

        InputHook(Layer layer) {
            this.layer = layer;
        }

        @Override
        TensorBase changed(TensorBase gradient) {
            if (failure == null) {
                try (Tensor tensor = new Tensor(gradient)) {
                    return layer.correct(tensor);
                } catch (Throwable t) {
                    fail(t);
                } finally {
                    layer.done = true;
                }
            }
            return new TensorBase(gradient);
        }
    }

    /** An exception that left a hook would unwind libtorch's own frames. */
    private void fail(Throwable t) {
        if (failure == null) {
            failure = t;
        }
    }
}
