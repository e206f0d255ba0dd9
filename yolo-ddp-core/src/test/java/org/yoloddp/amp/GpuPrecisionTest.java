package org.yoloddp.amp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchOps;
import org.yoloddp.torch.TorchRuntime;

/** Mixed precision on a CUDA GPU; needs a CUDA libtorch, given by -Dyoloddp.libtorch=path:. */
@Tag("gpu")
class GpuPrecisionTest {

    @BeforeAll
    static void requireGpu() {
        TorchRuntime.start();
        assumeTrue(Devices.gpuCount() > 0, "no GPU, or no CUDA libtorch");
    }

    private static List<Precision> mixed() {
        return List.of(Precision.bfloat16(), Precision.float16());
    }

    @ParameterizedTest
    @MethodSource("mixed")
    void aStepInPlaceIsSeenByTheNextForward(Precision precision) {
        Device gpu = Device.gpu(0);
        DataType type = precision.lossScaling().isPresent() ? DataType.FLOAT16 : DataType.BFLOAT16;
        try (NDManager manager = NDManager.newBaseManager(gpu);
                GradMode on = GradMode.enabled()) {
            NDArray x = manager.ones(new Shape(1, 1));
            NDArray weight = manager.ones(new Shape(1, 1));
            weight.setRequiresGradient(true);
            for (int expected = 1; expected <= 3; expected++) {
                NDArray y;
                try (PrecisionScope scope = precision.scope(gpu)) {
                    NDArray product = x.matMul(weight);
                    assertThat(TorchOps.dataType(product)).isEqualTo(type);
                    y = precision.toFloat32(new NDList(product)).singletonOrThrow();
                }
                assertThat(y.getFloat()).isEqualTo(expected);
                Autograd.backward(y.sum(), 1024);
                try (TensorList gradients = TensorList.ofGradients(List.of(weight));
                        TensorList target = TensorList.of(List.of(weight));
                        TensorList one = TensorList.of(List.of(x))) {
                    assertThat(gradients.scaleAndFindNonFinite(1 / 1024.0)).isFalse();
                    assertThat(GradientViews.gradient(weight).getFloat()).isEqualTo(1);
                    gradients.zero();
                    target.add(one, 1);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("mixed")
    void infinitiesAreFoundThere(Precision precision) {
        try (NDManager manager = NDManager.newBaseManager(Device.gpu(0))) {
            NDArray infinite = manager.create(new float[] {1, Float.POSITIVE_INFINITY});
            GradScaler scaler =
                    new GradScaler(precision.lossScaling().orElse(GradScaler.Options.defaults()));
            try (TensorList gradients = TensorList.of(List.of(infinite))) {
                assertThat(scaler.unscale(gradients)).isTrue();
            }
        }
    }
}
