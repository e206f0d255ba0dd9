package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.pooling.Pool;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Values and gradients of the ops against DJL's own, or against formulas. */
@Tag("torch")
class TorchOpsTest {

    private NDManager manager;
    private GradMode grad;

    @BeforeEach
    void open() {
        grad = GradMode.enabled();
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
        grad.close();
    }

    @Test
    void siluAndItsGradient() {
        NDArray x = leaf(-3f, -0.5f, 0f, 1f, 4f);
        NDArray y = TorchOps.silu(x);
        Autograd.backward(y.sum());
        float[] gradient = gradient(x);
        for (int i = 0; i < 5; i++) {
            double v = x.getFloat(i);
            double s = 1 / (1 + Math.exp(-v));
            assertThat((double) y.getFloat(i)).isCloseTo(v * s, within(1e-6));
            assertThat((double) gradient[i]).isCloseTo(s + v * s * (1 - s), within(1e-6));
        }
    }

    @Test
    void elementwiseOps() {
        NDArray x = leaf(-2f, 3f);
        assertThat(TorchOps.relu(x).toFloatArray()).containsExactly(0f, 3f);
        assertThat(TorchOps.leakyRelu(x, 0.1).toFloatArray()).containsExactly(-0.2f, 3f);
        assertThat(TorchOps.sigmoid(x).toFloatArray())
                .usingComparatorWithPrecision(1e-6f)
                .containsExactly(0.1192029f, 0.9525741f);
        Autograd.backward(TorchOps.leakyRelu(x, 0.1).sum());
        assertThat(gradient(x)).containsExactly(0.1f, 1f);
    }

    @Test
    void convolutionLikeDjls() {
        NDArray x = leaf(random(2, 4, 9, 9));
        NDArray w = leaf(random(6, 2, 3, 3));
        NDArray b = leaf(random(6));
        float[][] ours = conv(x, w, b, l -> TorchOps.conv2d(l, w, b, 2, 1, 1, 2));
        float[][] djls =
                conv(
                        x,
                        w,
                        b,
                        l ->
                                Conv2d.conv2d(
                                                l,
                                                w,
                                                b,
                                                new Shape(2, 2),
                                                new Shape(1, 1),
                                                new Shape(1, 1),
                                                2)
                                        .singletonOrThrow());
        assertThat(ours).isDeepEqualTo(djls);
        assertThat(conv(x, w, b, l -> TorchOps.conv2d(l, w, null, 2, 1, 1, 2))[0])
                .isNotEqualTo(djls[0]);
    }

    @Test
    void convolutionKeepsChannelsLast() {
        NDArray x = Layouts.toChannelsLast(leaf(random(2, 8, 6, 6)));
        NDArray w = Layouts.toChannelsLast(leaf(random(4, 8, 3, 3)));
        NDArray y = TorchOps.silu(TorchOps.conv2d(x, w, null, 1, 1, 1, 1));
        assertThat(Layouts.isChannelsLast(y)).isTrue();
        assertThat(Layouts.strides(w)).containsExactly(72, 1, 24, 8);
        Autograd.backward(y.sum());
        try (NDArray gradient = GradientViews.gradient(w)) {
            assertThat(Layouts.isChannelsLast(gradient)).isTrue();
        }
    }

    @Test
    void batchNormInTrainingMovesRunningStatistics() {
        NDArray x = leaf(random(4, 3, 5, 5));
        NDArray gamma = leaf(2f, 2f, 2f);
        NDArray beta = leaf(1f, 1f, 1f);
        NDArray mean = manager.zeros(new Shape(3));
        NDArray var = manager.ones(new Shape(3));
        NDArray y = TorchOps.batchNorm(x, gamma, beta, mean, var, true, 0.03, 1e-3);
        for (int c = 0; c < 3; c++) {
            double sum = 0;
            double squares = 0;
            float[] channel = x.get(":," + c).toFloatArray();
            for (float v : channel) {
                sum += v;
            }
            double average = sum / channel.length;
            for (float v : channel) {
                squares += (v - average) * (v - average);
            }
            assertThat((double) mean.getFloat(c)).isCloseTo(0.03 * average, within(1e-6));
            double unbiased = squares / (channel.length - 1);
            assertThat((double) var.getFloat(c)).isCloseTo(0.97 + 0.03 * unbiased, within(1e-6));
            double scale = 2 / Math.sqrt(squares / channel.length + 1e-3);
            assertThat((double) y.getFloat(1, c, 2, 3))
                    .isCloseTo(1 + (x.getFloat(1, c, 2, 3) - average) * scale, within(1e-5));
        }
        Autograd.backward(y.sum());
        assertThat(gradient(beta)).containsExactly(100f, 100f, 100f);
        assertThat((double) gradient(x)[0]).isCloseTo(0, within(1e-4));

        float[] before = mean.toFloatArray();
        NDArray eval = TorchOps.batchNorm(x, gamma, beta, mean, var, false, 0.03, 1e-3);
        assertThat(mean.toFloatArray()).isEqualTo(before);
        double expected =
                1 + 2 * (x.getFloat(0, 0, 0, 0) - before[0]) / Math.sqrt(var.getFloat(0) + 1e-3);
        assertThat((double) eval.getFloat(0, 0, 0, 0)).isCloseTo(expected, within(1e-5));
    }

    @Test
    void poolingUpsamplingAndConcatenation() {
        NDArray x = leaf(random(1, 2, 6, 6).neg());
        NDArray pooled = TorchOps.maxPool2d(x, 3, 2, 1);
        NDArray djls = Pool.maxPool2d(x, new Shape(3, 3), new Shape(2, 2), new Shape(1, 1), false);
        assertThat(pooled.toFloatArray()).isEqualTo(djls.toFloatArray());
        NDArray up = TorchOps.upsampleNearest2d(x, 2);
        assertThat(up.getShape()).isEqualTo(new Shape(1, 2, 12, 12));
        assertThat(up.getFloat(0, 1, 11, 5)).isEqualTo(x.getFloat(0, 1, 5, 2));
        NDArray joined = TorchOps.concat(List.of(x, up.get(":,:,:6,:6"), x), 1);
        assertThat(joined.getShape()).isEqualTo(new Shape(1, 6, 6, 6));
        Autograd.backward(TorchOps.concat(List.of(x, x), 1).sum().add(up.sum()));
        assertThat(gradient(x)).containsOnly(6f);
    }

    @Test
    void binaryCrossEntropyAndItsGradient() {
        NDArray logits = leaf(-1f, 0.5f, 2f);
        NDArray targets = manager.create(new float[] {0, 1, 0.25f});
        NDArray weight = manager.create(new float[] {2});
        NDArray loss = TorchOps.binaryCrossEntropyWithLogits(logits, targets, weight);
        Autograd.backward(loss);
        double sum = 0;
        float[] gradient = gradient(logits);
        for (int i = 0; i < 3; i++) {
            double z = logits.getFloat(i);
            double t = targets.getFloat(i);
            double p = 1 / (1 + Math.exp(-z));
            sum -= 2 * t * Math.log(p) + (1 - t) * Math.log(1 - p);
            double expected = (-2 * t * (1 - p) + (1 - t) * p) / 3;
            assertThat((double) gradient[i]).isCloseTo(expected, within(1e-6));
        }
        assertThat((double) loss.getFloat()).isCloseTo(sum / 3, within(1e-6));
        float plain = TorchOps.binaryCrossEntropyWithLogits(logits, targets, null).getFloat();
        assertThat((double) plain).isNotCloseTo(sum / 3, within(1e-3));
    }

    @Test
    void castsKeepTheGraph() {
        NDArray x = leaf(1f, 2f, 3f);
        NDArray half = TorchOps.toBfloat16(x);
        assertThat(half.getDataType()).isEqualTo(DataType.UNKNOWN);
        NDArray back = TorchOps.toFloat32(half);
        assertThat(back.getDataType()).isEqualTo(DataType.FLOAT32);
        Autograd.backward(back.mul(3).sum());
        assertThat(gradient(x)).containsExactly(3f, 3f, 3f);
    }

    @Test
    void resultsLiveWithTheFirstInput() {
        NDArray weight = leaf(random(2, 2, 1, 1));
        NDArray y;
        try (NDManager batch = manager.newSubManager()) {
            NDArray x = batch.ones(new Shape(1, 2, 3, 3));
            y = TorchOps.conv2d(x, weight, null, 1, 0, 1, 1);
            assertThat(y.getManager()).isSameAs(batch);
        }
        assertThatThrownBy(y::getShape).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void backwardOfWhatDependsOnNothingSaysWhy() {
        NDArray loss = manager.ones(new Shape());
        assertThatThrownBy(() -> Autograd.backward(loss))
                .isInstanceOf(TorchException.class)
                .hasMessage(
                        "backward failed: element 0 of tensors does not require grad and does not"
                                + " have a grad_fn (is gradient mode on in the forward, and does the"
                                + " loss depend on a parameter that requires a gradient?)");
    }

    private interface Op extends Function<NDArray, NDArray> {}

    private float[][] conv(NDArray x, NDArray w, NDArray b, Op op) {
        List.of(x, w, b).forEach(GradientViews::unbind);
        NDArray y = op.apply(x);
        Autograd.backward(y.square().sum());
        NDArray none = GradientViews.gradient(b);
        return new float[][] {
            y.toFloatArray(),
            gradient(x),
            gradient(w),
            none == null ? new float[0] : none.toFloatArray()
        };
    }

    private static float[] gradient(NDArray x) {
        try (NDArray gradient = GradientViews.gradient(x)) {
            return gradient.toFloatArray();
        }
    }

    private NDArray random(long... shape) {
        NDArray x = manager.arange(0f, new Shape(shape).size(), 1);
        return x.mul(0.7f).sin().reshape(new Shape(shape));
    }

    private NDArray leaf(float... values) {
        return leaf(manager.create(values));
    }

    private NDArray leaf(NDArray values) {
        values.setRequiresGradient(true);
        return values;
    }
}
