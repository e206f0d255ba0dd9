package org.yoloddp.amp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.transformer.TransformerEncoderBlock;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchOps;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class PrecisionTest {

    /** Not exact in bfloat16, which keeps 8 bits. */
    private static final float FINE = 1 + 1 / 1024f;

    @Test
    void float32ChangesNothing() {
        assertThat(product(Precision.float32(), FINE)).isEqualTo(FINE);
        assertThat(Precision.float32().isMixed()).isFalse();
    }

    @Test
    void bfloat16RoundsProductsInsideItsScopeOnly() {
        assertThat(product(Precision.bfloat16(), FINE)).isEqualTo(1);
        assertThat(product(Precision.float32(), FINE)).isEqualTo(FINE);
        assertThat(Precision.bfloat16().isMixed()).isTrue();
    }

    @Test
    void aStepInPlaceIsSeenByTheNextForward() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode on = GradMode.enabled()) {
            NDArray x = manager.ones(new Shape(1, 1));
            NDArray weight = manager.ones(new Shape(1, 1));
            weight.setRequiresGradient(true);
            for (int expected = 1; expected <= 3; expected++) {
                NDArray y;
                try (PrecisionScope scope = Precision.bfloat16().scope(Device.cpu())) {
                    y =
                            Precision.bfloat16()
                                    .toFloat32(new NDList(x.matMul(weight)))
                                    .singletonOrThrow();
                }
                assertThat(y.getFloat()).isEqualTo(expected);
                Autograd.backward(y.sum());
                assertThat(GradientViews.gradient(weight).getFloat()).isEqualTo(expected);
                try (TensorList target = TensorList.of(List.of(weight));
                        TensorList one = TensorList.of(List.of(x))) {
                    target.add(one, 1);
                }
            }
        }
    }

    @Test
    void float16RoundsFinerThanBfloat16() {
        assertThat(product(Precision.float16(), FINE)).isEqualTo(FINE);
        assertThat(product(Precision.float16(), 1 + 1 / 4096f)).isEqualTo(1);
        assertThat(product(Precision.bfloat16(), 1e5f)).isBetween(9.9e4f, 1.01e5f);
        assertThat(product(Precision.float16(), 1e5f)).isInfinite();
    }

    @Test
    void scopesOfBothTypesNestAndPutBackWhatWas() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode off = GradMode.disabled()) {
            NDArray one = manager.ones(new Shape(1, 1));
            try (PrecisionScope outer = Precision.bfloat16().scope(Device.cpu())) {
                try (PrecisionScope inner = Precision.float16().scope(Device.cpu())) {
                    assertThat(TorchOps.dataType(one.matMul(one))).isEqualTo(DataType.FLOAT16);
                }
                assertThat(TorchOps.dataType(one.matMul(one))).isEqualTo(DataType.BFLOAT16);
            }
            assertThat(TorchOps.dataType(one.matMul(one))).isEqualTo(DataType.FLOAT32);
        }
    }

    /** Needs no GPU: switching it on for CUDA leaves what the CPU computes alone. */
    @Test
    void theScopeOfAGpuIsNotThatOfTheProcessor() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode off = GradMode.disabled()) {
            NDArray one = manager.ones(new Shape(1, 1));
            for (Precision precision : List.of(Precision.bfloat16(), Precision.float16())) {
                try (PrecisionScope scope = precision.scope(Device.gpu(0))) {
                    assertThat(TorchOps.dataType(one.matMul(one))).isEqualTo(DataType.FLOAT32);
                }
            }
        }
    }

    @Test
    void onlyOutputsOfSixteenBitsAreCast() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray whole = manager.create(new int[] {3});
            NDArray exact = manager.create(new double[] {.1});
            NDArray half = manager.create(new float[] {.5f}).toType(DataType.FLOAT16, true);
            NDArray brain = TorchOps.toBfloat16(manager.create(new float[] {.25f}));
            NDList cast = Precision.bfloat16().toFloat32(new NDList(whole, exact, half, brain));
            assertThat(cast.get(0)).isSameAs(whole);
            assertThat(cast.get(1)).isSameAs(exact);
            assertThat(cast.get(2).toFloatArray()).containsExactly(.5f);
            assertThat(cast.get(3).toFloatArray()).containsExactly(.25f);
        }
    }

    @Test
    void theLossIsScaledForFloat16UnlessSaidOtherwise() {
        GradScaler.Options other = GradScaler.Options.defaults().withInitialScale(8);
        assertThat(Precision.float16().lossScaling()).hasValue(GradScaler.Options.defaults());
        assertThat(Precision.bfloat16().lossScaling()).isEmpty();
        assertThat(Precision.float32().lossScaling()).isEmpty();
        assertThat(Precision.float32().withLossScaling(other).lossScaling()).hasValue(other);
        assertThat(Precision.float16().withoutLossScaling().lossScaling()).isEmpty();
        assertThat(Precision.float16()).hasToString("float16 with loss scaling");
    }

    @Test
    void devicesOtherThanProcessorsAndCudaAreRefused() {
        for (Precision precision :
                List.of(Precision.float32(), Precision.bfloat16(), Precision.float16())) {
            assertThatCode(() -> precision.requireSupported(Device.cpu()))
                    .doesNotThrowAnyException();
            assertThatCode(() -> precision.requireSupported(Device.gpu(1)))
                    .doesNotThrowAnyException();
        }
        assertThatThrownBy(() -> Precision.bfloat16().requireSupported(Device.of("mps", 0)))
                .isInstanceOf(UnsupportedPrecisionException.class)
                .hasMessage(
                        "precision bfloat16 is not supported on mps(0); use Precision.float32()"
                                + " there, or train on the CPU or a CUDA GPU");
    }

    /** DJL's attention creates arrays of its input's type, which ends the JVM in bfloat16. */
    @Test
    void attentionIsRefusedInBfloat16() {
        Block block =
                new SequentialBlock()
                        .add(Linear.builder().setUnits(6).build())
                        .add(new TransformerEncoderBlock(6, 2, 8, .1f, Activation::relu));
        assertThatThrownBy(() -> Precision.bfloat16().requireSupported(block))
                .isInstanceOf(UnsupportedPrecisionException.class)
                .hasMessage(
                        "the layer '02TransformerEncoderBlock.01selfAttention' is a"
                                + " ScaledDotProductAttentionBlock of DJL, which creates arrays of"
                                + " its input's type, and DJL can't create bfloat16 ones; use"
                                + " Precision.float16() or Precision.float32()");
        assertThatCode(() -> Precision.float16().requireSupported(block))
                .doesNotThrowAnyException();
        assertThatCode(() -> Precision.float32().requireSupported(block))
                .doesNotThrowAnyException();
    }

    private static float product(Precision precision, float value) {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode off = GradMode.disabled()) {
            NDArray a = manager.full(new Shape(1, 1), value);
            NDArray one = manager.ones(new Shape(1, 1));
            try (PrecisionScope scope = precision.scope(Device.cpu())) {
                return precision.toFloat32(new NDList(a.matMul(one))).singletonOrThrow().getFloat();
            }
        }
    }
}
