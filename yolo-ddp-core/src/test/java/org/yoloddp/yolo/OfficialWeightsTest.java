package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;

class OfficialWeightsTest {

    private static final JsonObject MODEL = Golden.json("model.json");

    @Test
    void officialCheckpointHoldsTheGoldenTensors() {
        YoloV5Weights weights =
                YoloV5Weights.read(SharedFiles.requireWeights("yolov5n-coco-v7.0.pt"));

        JsonObject official = MODEL.getAsJsonObject("official_n");
        List<String> names = new ArrayList<>();
        for (JsonElement element : official.getAsJsonArray("state_dict")) {
            JsonArray row = element.getAsJsonArray();
            String name = row.get(0).getAsString();
            names.add(name);
            assertThat(sums(weights.tensors().get(name)))
                    .as(name)
                    .containsExactly(
                            new double[] {row.get(1).getAsDouble(), row.get(2).getAsDouble()},
                            within(1e-9 * Math.max(1, row.get(2).getAsDouble())));
        }
        assertThat(weights.tensors().keySet()).containsExactlyInAnyOrderElementsOf(names);
        assertThat(weights.names()).isEqualTo(Golden.strings(official.getAsJsonArray("names")));
        assertThat(weights.yaml().orElseThrow().classes()).isEqualTo(80);
    }

    @Test
    void shapesAndTypesAreThoseOfTheModel() {
        YoloV5Weights weights =
                YoloV5Weights.read(SharedFiles.requireWeights("yolov5n-coco-v7.0.pt"));

        for (JsonElement element : MODEL.getAsJsonArray("n_state_dict")) {
            JsonArray row = element.getAsJsonArray();
            WeightTensor tensor = weights.tensors().get(row.get(0).getAsString());
            long[] shape = new long[row.get(1).getAsJsonArray().size()];
            for (int i = 0; i < shape.length; i++) {
                shape[i] = row.get(1).getAsJsonArray().get(i).getAsLong();
            }
            assertThat(tensor.shape()).isEqualTo(new Shape(shape));
            assertThat(tensor.dataType())
                    .isEqualTo(
                            row.get(2).getAsString().equals("int64")
                                    ? DataType.INT64
                                    : DataType.FLOAT32);
        }
    }

    @Test
    void checkpointOfARunHoldsItsClassNamesAndModel() {
        YoloV5Weights weights =
                YoloV5Weights.read(SharedFiles.requireWeights("yolov5n-bccd-320.pt"));

        assertThat(weights.names()).containsExactly("RBC", "WBC", "Platelets");
        assertThat(weights.yaml().orElseThrow().withClasses(80))
                .isEqualTo(ModelYaml.load("yolov5n"));
        assertThat(weights.tensors()).hasSize(349);
    }

    private static double[] sums(WeightTensor tensor) {
        double sum = 0;
        double absolute = 0;
        if (tensor.dataType() == DataType.INT64) {
            for (long value : tensor.longs()) {
                sum += value;
                absolute += Math.abs(value);
            }
        } else {
            for (float value : tensor.floats()) {
                sum += value;
                absolute += Math.abs(value);
            }
        }
        return new double[] {sum, absolute};
    }
}
