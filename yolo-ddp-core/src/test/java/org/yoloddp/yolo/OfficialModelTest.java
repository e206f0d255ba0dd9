package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.SafetensorsFile;
import org.yoloddp.train.LossValue;

/** The model with the official weights. */
@Tag("torch")
class OfficialModelTest {

    private static final String[] NORMS = {"model.0.bn", "model.9.cv1.bn", "model.23.cv3.bn"};

    private SafetensorsFile golden;
    private TestModel model;

    @BeforeEach
    void load() {
        golden = SafetensorsFile.read(SharedFiles.require("golden/forward.safetensors"));
        model = official();
    }

    /** The official model, or a skipped test. */
    static TestModel official() {
        YoloV5Weights weights =
                YoloV5Weights.read(SharedFiles.requireWeights("yolov5n-coco-v7.0.pt"));
        TestModel model = new TestModel(ModelYaml.load("yolov5n"), 0);
        WeightTransfer.all(weights, model.block);
        return model;
    }

    @AfterEach
    void close() {
        if (model != null) { // where the weights are not, there is no model
            model.close();
        }
    }

    @Test
    void evaluationGivesTheGoldenLogitsAndBoxes() {
        NDList raw = model.evaluate(model.images(golden, "images", 0, 2));
        for (int level = 0; level < 3; level++) {
            assertThat(worst(raw.get(level), "eval_raw" + level)).isLessThan(2e-4);
        }
        FormulaModelTest.assertDecoded(model.block.decode(raw), golden, "eval_decoded");
    }

    @Test
    void trainingGivesTheGoldenLogitsAndMovesTheStatistics() {
        NDList raw = model.train(model.images(golden, "images", 0, 2));
        for (int level = 0; level < 3; level++) {
            assertThat(worst(raw.get(level), "train_raw" + level)).isLessThan(5e-4);
        }
        for (String norm : NORMS) {
            for (String part : new String[] {".running_mean", ".running_var"}) {
                float[] expected = golden.floats("bn_after/" + norm + part);
                float[] actual = array(norm + part).toFloatArray();
                double scale = 0;
                for (float value : expected) {
                    scale = Math.max(scale, Math.abs(value));
                }
                assertThat(FormulaModelTest.worst(actual, expected)).isLessThan(1e-6 * scale);
            }
            String batches = norm + ".num_batches_tracked";
            assertThat(array(batches).toLongArray()).isEqualTo(golden.longs("bn_after/" + batches));
        }
    }

    @Test
    void backwardGivesTheGoldenGradients() {
        JsonObject expected = Golden.json("loss.json");
        JsonObject whole = expected.getAsJsonObject("whole_model");
        NDList raw = model.train(model.images(golden, "images", 0, 2));
        YoloV5Loss loss = new YoloV5Loss(model.block, Hyp.defaults(), 320, 1);
        float[][] targets =
                Golden.floatRows(expected.getAsJsonObject("targets").getAsJsonArray("A"));
        LossValue value;
        try (GradMode on = GradMode.enabled()) {
            value = loss.evaluate(new NDList(model.manager.create(targets)), raw);
        }
        double total = whole.get("total").getAsDouble();
        assertThat((double) value.total().getFloat()).isCloseTo(total, within(2e-6 * total));

        Autograd.backward(value.total());
        double sum = 0;
        for (var entry : whole.getAsJsonObject("param_grad_l2").entrySet()) {
            double norm = TestModel.l2(model.gradient(entry.getKey()).toFloatArray());
            double golden = entry.getValue().getAsDouble();
            assertThat(norm).as(entry.getKey()).isCloseTo(golden, within(1e-4 * golden));
            sum += norm * norm;
        }
        double norm = whole.get("grad_norm").getAsDouble();
        assertThat(Math.sqrt(sum)).isCloseTo(norm, within(1e-4 * norm));
    }

    private NDArray array(String name) {
        return model.block.getParameters().get(name).getArray();
    }

    private double worst(NDArray actual, String name) {
        return FormulaModelTest.worst(actual.toFloatArray(), golden.floats(name));
    }
}
