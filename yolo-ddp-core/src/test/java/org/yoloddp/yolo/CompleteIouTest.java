package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class CompleteIouTest {

    private static final JsonObject PAIRS = Golden.json("loss.json").getAsJsonObject("box_pairs");

    @Test
    void valuesAndGradientsAreTheGoldenOnesInFloat64() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode on = GradMode.enabled()) {
            NDArray predicted = boxes(manager, "pred_xywh");
            predicted.setRequiresGradient(true);
            NDArray target = boxes(manager, "target_xywh");
            NDList first = predicted.split(new long[] {2}, 1);
            NDList second = target.split(new long[] {2}, 1);

            NDArray iou = CompleteIou.of(first.get(0), first.get(1), second.get(0), second.get(1));
            assertClose(iou.toDoubleArray(), Golden.doubles(PAIRS.get("ciou")));

            Autograd.backward(iou.sum());
            double[] gradient = GradientViews.gradient(predicted).toDoubleArray();
            JsonArray golden = PAIRS.getAsJsonArray("ciou_grad_pred");
            for (int i = 0; i < golden.size(); i++) {
                double[] row = {
                    gradient[4 * i], gradient[4 * i + 1], gradient[4 * i + 2], gradient[4 * i + 3]
                };
                assertClose(row, Golden.doubles(golden.get(i)));
            }
        }
    }

    private static void assertClose(double[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            if (Double.isNaN(expected[i])) {
                assertThat(actual[i]).isNaN();
            } else {
                assertThat(actual[i])
                        .isCloseTo(expected[i], within(1e-12 * Math.max(1, Math.abs(expected[i]))));
            }
        }
    }

    private static NDArray boxes(NDManager manager, String name) {
        JsonArray rows = PAIRS.getAsJsonArray(name);
        double[] values = new double[4 * rows.size()];
        for (int i = 0; i < rows.size(); i++) {
            System.arraycopy(Golden.doubles(rows.get(i)), 0, values, 4 * i, 4);
        }
        return manager.create(values, new Shape(rows.size(), 4));
    }
}
