package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.yoloddp.torch.SharedBatchNorm.Moments;

/** What of the input, and what besides, the statistics contribute to its gradient. */
interface NormCoefficients {

    /** Returns slope and offset per channel, of a type, where the sums are. */
    Tensor[] of(Tensor betaSums, Tensor gammaSums, ScalarType type);

    /** Computed in Java. */
    record OfHost(double[] gamma, Moments whole, double eps, Consumer<double[]> sumOverParts)
            implements NormCoefficients {

        @Override
        public Tensor[] of(Tensor betaSums, Tensor gammaSums, ScalarType type) {
            int channels = gamma.length;
            double[] sums = new double[2 * channels];
            System.arraycopy(SharedBatchNorm.doubles(betaSums), 0, sums, 0, channels);
            System.arraycopy(SharedBatchNorm.doubles(gammaSums), 0, sums, channels, channels);
            sumOverParts.accept(sums);
            double[] slope = new double[channels];
            double[] offset = new double[channels];
            for (int c = 0; c < channels; c++) {
                double invstd = 1 / Math.sqrt(whole.variance()[c] + eps);
                double factor = -gamma[c] * invstd / whole.count();
                slope[c] = factor * invstd * sums[channels + c];
                offset[c] = factor * sums[c] - slope[c] * whole.mean()[c];
            }
            return new Tensor[] {
                SharedBatchNorm.ofType(slope, type, betaSums),
                SharedBatchNorm.ofType(offset, type, betaSums)
            };
        }
    }

    /** The same by tensors. */
    record OfDevice(NDArray gamma, NDArray whole, double eps, Consumer<NDArray> sumOverParts)
            implements NormCoefficients {

        @Override
        public Tensor[] of(Tensor betaSums, Tensor gammaSums, ScalarType type) {
            long channels = betaSums.numel();
            Tensor own = DeviceMoments.zeros(betaSums, 2 * channels);
            try (Tensor first = own.narrow(0, 0, channels);
                    Tensor second = own.narrow(0, channels, channels)) {
                first.copy_(betaSums);
                second.copy_(gammaSums);
            }
            try (NDArray sums = Tensors.adopt(whole, own)) {
                sumOverParts.accept(sums);
                return coefficients(Tensors.view(sums), channels, type);
            }
        }

        private Tensor[] coefficients(Tensor sums, long channels, ScalarType type) {
            Tensor[] both = {
                DeviceMoments.zeros(sums, channels), DeviceMoments.zeros(sums, channels)
            };
            try (PointerScope all = new PointerScope()) {
                Tensor moments = Tensors.view(whole);
                Tensor invstd = DeviceMoments.variance(moments).add(new Scalar(eps)).rsqrt();
                Tensor scale = Tensors.view(gamma).detach().to(ScalarType.Double);
                Tensor factor = scale.mul(invstd).div(DeviceMoments.count(moments)).neg();
                Tensor slope = factor.mul(invstd).mul(sums.narrow(0, channels, channels));
                Tensor mean = DeviceMoments.mean(moments);
                both[0].copy_(slope);
                both[1].copy_(factor.mul(sums.narrow(0, 0, channels)).sub(slope.mul(mean)));
            }
            try (Tensor slope = both[0];
                    Tensor offset = both[1]) {
                return new Tensor[] {slope.to(type), offset.to(type)};
            }
        }
    }
}
