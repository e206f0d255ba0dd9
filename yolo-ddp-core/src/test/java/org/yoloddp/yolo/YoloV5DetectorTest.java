package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.detection.Detection;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;

@Tag("torch")
class YoloV5DetectorTest {

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void findsTheGoldenBoxes(boolean square) {
        Path weights = SharedFiles.requireWeights("yolov5n-bccd-320.pt");
        Path data = SharedFiles.require("data/bccd/data.yaml").resolveSibling("images").getParent();
        try (YoloV5Detector detector =
                YoloV5Detector.builder()
                        .setWeights(weights)
                        .optImageSize(320)
                        .optSquare(square)
                        .build()) {
            assertThat(detector.names()).containsExactly("RBC", "WBC", "Platelets");
            for (JsonElement element : Golden.json("detect.json").getAsJsonArray("images")) {
                JsonObject image = element.getAsJsonObject();
                JsonArray rows = rows(image, square);
                List<Detection> found =
                        detector.detect(data.resolve(image.get("file").getAsString()));
                assertThat(found).hasSize(rows.size());
                for (int i = 0; i < rows.size(); i++) {
                    double[] row = Golden.doubles(rows.get(i));
                    Detection d = found.get(i);
                    assertThat((double) d.x1()).isCloseTo(row[0], within(0.02));
                    assertThat((double) d.y1()).isCloseTo(row[1], within(0.02));
                    assertThat((double) d.x2()).isCloseTo(row[2], within(0.02));
                    assertThat((double) d.y2()).isCloseTo(row[3], within(0.02));
                    assertThat((double) d.confidence()).isCloseTo(row[4], within(1e-4));
                    assertThat(d.classIndex()).isEqualTo((int) row[5]);
                }
            }
        }
    }

    private static JsonArray rows(JsonObject image, boolean square) {
        for (String key : image.keySet()) {
            if (image.get(key).isJsonObject() && key.startsWith("square") == square) {
                return image.getAsJsonObject(key).getAsJsonArray("rows_x1_y1_x2_y2_conf_cls");
            }
        }
        throw new AssertionError("no rows in " + image.keySet());
    }

    @Test
    void imageSizeThatDoesNotFitIsRefused() {
        Path weights = SharedFiles.requireWeights("yolov5n-bccd-320.pt");

        assertThatThrownBy(
                        () ->
                                YoloV5Detector.builder()
                                        .setWeights(weights)
                                        .optImageSize(300)
                                        .build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "image size 300 is not a multiple of the model's stride 32, or less than two"
                                + " of it; take 320");
    }

    @Test
    void missingWeightsAreRefused() {
        assertThatThrownBy(() -> YoloV5Detector.builder().build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("a detector needs weights; call setWeights");
        assertThatThrownBy(() -> YoloV5Detector.load(Path.of("nowhere.pt")))
                .isInstanceOf(WeightsException.class)
                .hasMessage("nowhere.pt: there is no such file of weights");
    }
}
