package org.yoloddp.amp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.TensorList;
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
                try (PrecisionScope scope = Precision.bfloat16().scope()) {
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
    void mixedPrecisionNeedsTheProcessor() {
        assertThatCode(() -> Precision.bfloat16().requireSupported(Device.cpu()))
                .doesNotThrowAnyException();
        assertThatCode(() -> Precision.float32().requireSupported(Device.gpu(0)))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> Precision.bfloat16().requireSupported(Device.gpu(0)))
                .isInstanceOf(UnsupportedPrecisionException.class)
                .hasMessage(
                        "precision bfloat16 is not supported on gpu(0); use Precision.float32()"
                                + " there, or train on the CPU");
    }

    private static float product(Precision precision, float value) {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode off = GradMode.disabled()) {
            NDArray a = manager.full(new Shape(1, 1), value);
            NDArray one = manager.ones(new Shape(1, 1));
            try (PrecisionScope scope = precision.scope()) {
                return precision.toFloat32(new NDList(a.matMul(one))).singletonOrThrow().getFloat();
            }
        }
    }
}
