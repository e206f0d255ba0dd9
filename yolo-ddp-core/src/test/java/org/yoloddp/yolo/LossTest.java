package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.SafetensorsFile;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.LossValue;

@Tag("torch")
class LossTest {

    private static final JsonObject LOSS = Golden.json("loss.json");

    private NDManager manager;
    private GradMode gradients;

    @BeforeEach
    void start() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager();
        gradients = GradMode.enabled();
    }

    @AfterEach
    void stop() {
        gradients.close();
        manager.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "base",
                "label_smoothing_0.1",
                "fl_gamma_1.5",
                "pw_0.7",
                "image1_empty",
                "no_targets",
                "one_target",
                "nc1"
            })
    void termsAndGradientsAreTheGoldenOnes(String variant) {
        SafetensorsFile forward =
                SafetensorsFile.read(SharedFiles.require("golden/forward.safetensors"));
        SafetensorsFile golden =
                SafetensorsFile.read(SharedFiles.require("golden/loss.safetensors"));
        JsonObject expected = LOSS.getAsJsonObject("variants").getAsJsonObject(variant);
        int classes = expected.has("nc") ? expected.get("nc").getAsInt() : 80;
        NDList raw = raw(forward, classes);

        LossValue loss =
                loss(expected, classes).evaluate(new NDList(targets(expected, classes)), raw);

        float[] terms = loss.terms().toFloatArray();
        String[] names = {"lbox", "lobj", "lcls"};
        for (int i = 0; i < 3; i++) {
            double value = expected.get(names[i]).getAsDouble();
            assertThat((double) terms[i]).as(names[i]).isCloseTo(value, within(2e-6 * value));
        }
        double total = expected.get("total").getAsDouble();
        assertThat((double) loss.total().getFloat()).isCloseTo(total, within(2e-6 * total));

        Autograd.backward(loss.total());
        double[] norms = Golden.doubles(expected.get("grad_l2"));
        for (int level = 0; level < 3; level++) {
            float[] gradient = GradientViews.gradient(raw.get(level)).toFloatArray();
            assertThat(TestModel.l2(gradient)).isCloseTo(norms[level], within(1e-5 * norms[level]));
            if (variant.equals("base")) {
                float[] whole = golden.floats("base/grad_raw" + level);
                assertThat(FormulaModelTest.worst(gradient, whole))
                        .isLessThan(1e-5 * largest(whole));
            } else {
                assertRows(golden, variant, level, gradient, raw.get(level).getShape());
            }
        }
    }

    /** Objectness everywhere, whole rows at assigned cells, zero elsewhere. */
    private static void assertRows(
            SafetensorsFile golden, String variant, int level, float[] gradient, Shape shape) {
        int width = (int) shape.get(4);
        float[] whole = new float[gradient.length];
        String prefix = variant + "/";
        float[] objectness = golden.floats(prefix + "grad_obj" + level);
        for (int i = 0; i < objectness.length; i++) {
            whole[i * width + 4] = objectness[i];
        }
        if (golden.contains(prefix + "cells" + level)) {
            long[] cells = golden.longs(prefix + "cells" + level);
            float[] rows = golden.floats(prefix + "grad_rows" + level);
            for (int k = 0; k < cells.length / 4; k++) {
                long cell = cells[4 * k];
                for (int axis = 1; axis < 4; axis++) {
                    cell = cell * shape.get(axis) + cells[4 * k + axis];
                }
                System.arraycopy(rows, k * width, whole, (int) cell * width, width);
            }
        }
        assertThat(FormulaModelTest.worst(gradient, whole)).isLessThan(1e-5 * largest(whole));
    }

    @Test
    void ranksMultiplyTheTotalAndNotTheTerms() {
        YoloV5Block block = new YoloV5Block(ModelYaml.load("yolov5n").withClasses(2), 0);
        NDList raw = random();
        NDArray targets = manager.create(new float[][] {{1, 1, 0.5f, 0.5f, 0.4f, 0.3f}});

        LossValue one =
                new YoloV5Loss(block, Hyp.defaults(), 320, 1).evaluate(new NDList(targets), raw);
        LossValue three =
                new YoloV5Loss(block, Hyp.defaults(), 320, 3).evaluate(new NDList(targets), raw);

        assertThat(three.terms()).isEqualTo(one.terms());
        assertThat(three.total().getFloat()).isCloseTo(3 * one.total().getFloat(), within(1e-5f));
        assertThat(one.total().getFloat())
                .isCloseTo(2 * one.terms().sum().getFloat(), within(1e-5f));
    }

    private NDList random() {
        NDList raw = new NDList();
        for (int side : new int[] {8, 4, 2}) {
            raw.add(manager.ones(new Shape(2, 3, side, side, 7)).mul(-0.5));
        }
        return raw;
    }

    private YoloV5Loss loss(JsonObject variant, int classes) {
        JsonObject gains = LOSS.getAsJsonObject("gains");
        LossSettings settings =
                new LossSettings(
                        gains.get("box").getAsDouble(),
                        gains.get("obj").getAsDouble(),
                        gains.get("cls").getAsDouble(),
                        option(variant, gains, "obj_pw"),
                        option(variant, gains, "cls_pw"),
                        gains.get("anchor_t").getAsFloat(),
                        option(variant, gains, "fl_gamma"),
                        option(variant, gains, "label_smoothing"));
        ModelYaml yaml = ModelYaml.load("yolov5n").withClasses(classes);
        return new YoloV5Loss(new YoloV5Block(yaml, 0), settings, 1);
    }

    private static double option(JsonObject variant, JsonObject gains, String name) {
        return (variant.has(name) ? variant : gains).get(name).getAsDouble();
    }

    private NDArray targets(JsonObject variant, int classes) {
        JsonArray rows =
                LOSS.getAsJsonObject("targets")
                        .getAsJsonArray(variant.get("targets").getAsString());
        if (rows.isEmpty()) {
            return manager.create(new Shape(0, 6));
        }
        float[][] values = Golden.floatRows(rows);
        if (classes == 1) {
            for (float[] row : values) {
                row[1] = 0;
            }
        }
        return manager.create(values);
    }

    private NDList raw(SafetensorsFile forward, int classes) {
        NDList raw = new NDList();
        for (int level = 0; level < 3; level++) {
            NDArray array = forward.array(manager, "train_raw" + level);
            if (classes != 80) {
                array = array.get("..., 0:" + (5 + classes)).duplicate();
            }
            array.setRequiresGradient(true);
            raw.add(array);
        }
        return raw;
    }

    private static double largest(float[] values) {
        double largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }
}
