package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.amp.Precision;
import org.yoloddp.amp.PrecisionScope;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/** Every operation of the network has a forward and a backward in 16 bits, on the CPU too. */
@Tag("torch")
class SixteenBitsTest {

    @Test
    void theNetworkComputesNearlyTheSameInBothTypes() {
        try (TestModel model = new TestModel(ModelYaml.load("yolov5n"), 0)) {
            model.channelsLast();
            StateDict state = StateDict.of(model.block);
            state.trainable().forEach(entry -> entry.array().setRequiresGradient(true));
            double[] full = lossAndNorm(model, state, Precision.float32());
            for (Precision precision : List.of(Precision.bfloat16(), Precision.float16())) {
                double[] mixed = lossAndNorm(model, state, precision);
                double tolerance = precision == Precision.float16() ? .005 : .03;
                assertThat(mixed[0] / full[0]).isBetween(1 - tolerance, 1 + tolerance);
                assertThat(mixed[1] / full[1]).isBetween(1 - 3 * tolerance, 1 + 3 * tolerance);
                // or it was not mixed
                assertThat(mixed[0]).isNotEqualTo(full[0]);
            }
        }
    }

    /** A loss and the norm of its gradients. */
    private static double[] lossAndNorm(TestModel model, StateDict state, Precision precision) {
        double scale = precision.lossScaling().isPresent() ? 1024 : 1;
        List<NDArray> parameters = state.trainable().stream().map(StateDict.Entry::array).toList();
        try (NDManager scope = model.manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            float[] pixels = new float[2 * 3 * 64 * 64];
            Random random = new Random(5);
            for (int i = 0; i < pixels.length; i++) {
                pixels[i] = random.nextFloat();
            }
            NDArray images = scope.create(pixels, new Shape(2, 3, 64, 64));
            NDList outputs;
            try (PrecisionScope mixed = precision.scope(Device.cpu())) {
                outputs =
                        precision.toFloat32(
                                model.block.forward(model.store, new NDList(images), true));
            }
            NDArray loss =
                    outputs.stream()
                            .map(output -> output.square().mean())
                            .reduce(NDArray::add)
                            .orElseThrow();
            Autograd.backward(loss, scale);
            try (TensorList gradients = TensorList.ofGradients(parameters)) {
                assertThat(gradients.scaleAndFindNonFinite(1 / scale)).isFalse();
                double norm = gradients.globalNorm();
                gradients.zero();
                return new double[] {loss.toType(DataType.FLOAT32, false).getFloat(), norm};
            }
        }
    }
}
