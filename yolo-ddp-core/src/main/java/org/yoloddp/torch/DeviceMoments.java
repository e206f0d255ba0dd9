package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The statistics of {@link SharedBatchNorm.Moments} as one array where the batch is, so that the
 * host need not wait for the device that computes them: the number of values per channel, their
 * means, their variances (biased), in float64. Nothing is recorded for backward.
 */
public final class DeviceMoments {

    private DeviceMoments() {}

    /**
     * Returns how many numbers there are.
     *
     * @param channels the number of channels
     * @return the length of the array
     */
    public static int count(int channels) {
        return 2 * channels + 1;
    }

    /**
     * Computes the statistics of a batch.
     *
     * @param x images (N, C, H, W) in any layout or rows (N, C), of any floating type; N may be 0
     * @return an array of x's manager
     */
    public static NDArray of(NDArray x) {
        Tensor in = Tensors.view(x);
        long channels = in.size(1);
        long count = channels == 0 ? 0 : in.numel() / channels;
        Tensor result = zeros(in, count(Math.toIntExact(channels)));
        try (GradMode off = GradMode.disabled();
                PointerScope all = new PointerScope()) {
            if (count > 0) {
                result.narrow(0, 0, 1).fill_(new Scalar((double) count));
                result.narrow(0, 1, 2 * channels).copy_(measured(in, channels));
            }
        }
        return Tensors.adopt(x, result);
    }

    private static Tensor measured(Tensor in, long channels) {
        // Given statistics of its own type, libtorch would round those of a bfloat16 batch to it.
        ScalarType wide = in.element_size() == Double.BYTES ? ScalarType.Double : ScalarType.Float;
        Tensor running = zeros(in, channels).to(wide);
        Tensor other = running.clone();
        T_TensorTensor_T found =
                torch.batch_norm_update_stats(
                        in.detach(), new TensorOptional(running), new TensorOptional(other), 0);
        return torch.cat(
                new TensorVector(
                        found.get0().to(ScalarType.Double), found.get1().to(ScalarType.Double)));
    }

    /**
     * Combines the statistics of parts, as {@link SharedBatchNorm.Moments#combine} does.
     *
     * @param manager owns the result
     * @param parts those of each part, one behind the other
     * @param channels the number of channels
     * @return the statistics of the whole
     */
    public static NDArray combine(NDManager manager, NDArray parts, int channels) {
        Tensor result = zeros(Tensors.view(parts), count(channels));
        try (GradMode off = GradMode.disabled();
                PointerScope all = new PointerScope()) {
            Tensor rows = Tensors.view(parts).reshape(-1, count(channels));
            Tensor counts = rows.narrow(1, 0, 1);
            Tensor total = counts.sum();
            Tensor weights = counts.div(total);
            Tensor means = rows.narrow(1, 1, channels);
            Tensor mean = weights.mul(means).sum(new long[] {0});
            Tensor distance = means.sub(mean);
            Tensor within = rows.narrow(1, 1 + channels, channels);
            Tensor variance = weights.mul(within.add(distance.mul(distance))).sum(new long[] {0});
            result.copy_(torch.cat(new TensorVector(total.reshape(1), mean, variance)));
        }
        return Tensors.adopt(manager, result);
    }

    /**
     * Moves running statistics, as {@link SharedBatchNorm#updateRunning(NDArray, NDArray,
     * SharedBatchNorm.Moments, double)} does.
     *
     * @param runningMean by channel
     * @param runningVar by channel
     * @param whole of the whole batch, of two values per channel or more
     * @param momentum weight of the batch
     */
    public static void updateRunning(
            NDArray runningMean, NDArray runningVar, NDArray whole, double momentum) {
        try (GradMode off = GradMode.disabled();
                PointerScope all = new PointerScope()) {
            Tensor moments = Tensors.view(whole);
            Tensor count = count(moments);
            Tensor unbiased = variance(moments).mul(count.div(count.sub(new Scalar(1.))));
            move(Tensors.view(runningMean), mean(moments), momentum);
            move(Tensors.view(runningVar), unbiased, momentum);
        }
    }

    private static void move(Tensor running, Tensor towards, double momentum) {
        running.mul_(new Scalar(1 - momentum));
        running.add_(towards.to(running.scalar_type().intern()), new Scalar(momentum));
    }

    static Tensor count(Tensor moments) {
        return moments.narrow(0, 0, 1);
    }

    static Tensor mean(Tensor moments) {
        return moments.narrow(0, 1, channels(moments));
    }

    static Tensor variance(Tensor moments) {
        return moments.narrow(0, 1 + channels(moments), channels(moments));
    }

    private static long channels(Tensor moments) {
        return (moments.numel() - 1) / 2;
    }

    /**
     * Float64 zeros where another tensor is: made before a scope that closes what leads to them.
     */
    static Tensor zeros(Tensor like, long count) {
        try (Device device = like.device();
                DeviceOptional there = new DeviceOptional(device);
                TensorOptions plain = new TensorOptions(ScalarType.Double);
                TensorOptions options = plain.device(there)) {
            return torch.zeros(new long[] {count}, options);
        }
    }
}
