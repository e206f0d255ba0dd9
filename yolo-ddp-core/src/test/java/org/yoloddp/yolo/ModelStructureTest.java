package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.testing.Golden;

class ModelStructureTest {

    private static final JsonObject MODEL = Golden.json("model.json");

    @Test
    void namesAndShapesAreThoseOfTheStateDict() {
        YoloV5Block block = new YoloV5Block(ModelYaml.load("yolov5n"), 0);

        List<String> expected = new ArrayList<>();
        for (JsonElement element : MODEL.getAsJsonArray("n_state_dict")) {
            JsonArray row = element.getAsJsonArray();
            expected.add(row.get(0).getAsString() + shape(row.get(1)));
        }
        List<String> actual = new ArrayList<>();
        for (Pair<String, Parameter> pair : block.getParameters()) {
            actual.add(pair.getKey() + pair.getValue().getShape());
        }
        assertThat(actual).isEqualTo(expected).hasSize(349);
    }

    @Test
    void learnedParametersAreTheNamedOnesInOrder() {
        YoloV5Block block = new YoloV5Block(ModelYaml.load("yolov5n"), 0);

        assertThat(learned(block).stream().map(Pair::getKey).toList())
                .isEqualTo(Golden.strings(MODEL.getAsJsonArray("n_named_parameters")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"n_nc80", "s_nc80", "m_nc80", "l_nc80", "x_nc80", "n_nc3", "n_nc1"})
    void countsAreThoseOfTheVariant(String variant) {
        JsonObject golden = MODEL.getAsJsonObject("variants").getAsJsonObject(variant);
        ModelYaml yaml =
                ModelYaml.load("yolov5" + variant.charAt(0))
                        .withClasses(golden.get("nc").getAsInt());
        YoloV5Block block = new YoloV5Block(yaml, 0);

        assertThat(count(learned(block))).isEqualTo(golden.get("parameters").getAsLong());
        assertThat(learned(block)).hasSize(golden.get("parameter_tensors").getAsInt());
        assertThat(block.getParameters().size())
                .isEqualTo(golden.get("state_dict_entries").getAsInt());
        for (JsonElement element : golden.getAsJsonArray("layers")) {
            JsonObject layer = element.getAsJsonObject();
            String prefix = "model." + layer.get("i").getAsInt() + ".";
            assertThat(
                            count(
                                    learned(block).stream()
                                            .filter(p -> p.getKey().startsWith(prefix))
                                            .toList()))
                    .as(prefix)
                    .isEqualTo(layer.get("parameters").getAsLong());
        }
    }

    @Test
    void layersHaveTheGoldenOutputShapes() {
        YoloV5Block block = new YoloV5Block(ModelYaml.load("yolov5n"), 0);
        List<Shape> shapes = block.layerShapes(new Shape(1, 3, 320, 320));

        JsonArray golden = MODEL.getAsJsonArray("n_layer_output_shapes_1x3x320x320");
        for (int i = 0; i < 24; i++) {
            assertThat(shapes.get(i)).as("layer %d", i).isEqualTo(shape(golden.get(i)));
        }
        JsonArray head = golden.get(24).getAsJsonArray();
        for (int level = 0; level < 3; level++) {
            assertThat(shapes.get(24 + level)).isEqualTo(shape(head.get(level)));
        }
    }

    @Test
    void stridesAndAnchorsAreThoseOfTheOriginal() {
        AnchorGrid grid = new YoloV5Block(ModelYaml.load("yolov5n"), 0).anchors();

        assertThat(grid.strides()).containsExactly(8, 16, 32);
        JsonArray pixels = MODEL.getAsJsonArray("anchors_pixels");
        JsonArray cells = MODEL.getAsJsonArray("anchors_grid_units");
        for (int level = 0; level < 3; level++) {
            for (int anchor = 0; anchor < 3; anchor++) {
                double[] cell = Golden.doubles(cells.get(level).getAsJsonArray().get(anchor));
                double[] pixel = Golden.doubles(pixels.get(level).getAsJsonArray().get(anchor));
                assertThat(grid.width(level, anchor)).isEqualTo((float) cell[0]);
                assertThat(grid.height(level, anchor)).isEqualTo((float) cell[1]);
                assertThat(grid.pixels(level)[2 * anchor]).isEqualTo((float) pixel[0]);
                assertThat(grid.pixels(level)[2 * anchor + 1]).isEqualTo((float) pixel[1]);
            }
        }
    }

    private static List<Pair<String, Parameter>> learned(YoloV5Block block) {
        return block.getParameters().stream().filter(p -> p.getValue().requiresGradient()).toList();
    }

    private static long count(List<Pair<String, Parameter>> parameters) {
        return parameters.stream().mapToLong(p -> p.getValue().getShape().size()).sum();
    }

    private static Shape shape(JsonElement array) {
        JsonArray values = array.getAsJsonArray();
        long[] shape = new long[values.size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = values.get(i).getAsLong();
        }
        return new Shape(shape);
    }
}
