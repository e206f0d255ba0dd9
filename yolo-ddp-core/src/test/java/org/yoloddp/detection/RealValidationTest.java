package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Loading;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.ValidationContext;
import org.yoloddp.yolo.YoloV5;
import org.yoloddp.yolo.YoloV5Detector;

/** The original's figures for real weights on real images. */
@Tag("torch")
class RealValidationTest {

    /** Above the noise of the original: its threads, batch sizes and fused convolutions. */
    private static final Offset<Double> NOISE = within(1e-5);

    /** One label among 967 that two detections contest with equal IoU; see {@link BoxMatcher}. */
    private static final Offset<Double> ONE_TIE = within(2e-5);

    @ParameterizedTest
    @CsvSource({"val,320", "test,320"})
    void figuresAreTheOriginals(String split, int imageSize) {
        JsonObject golden = golden(split, imageSize);

        DetectionMetrics found = validate(split, imageSize);

        assertThat(found.labels()).isEqualTo(golden.get("labels").getAsInt());
        assertThat(found.detections()).isEqualTo(golden.get("detections").getAsInt());
        assertThat(found.precision()).isCloseTo(golden.get("precision").getAsDouble(), NOISE);
        assertThat(found.recall()).isCloseTo(golden.get("recall").getAsDouble(), NOISE);
        assertThat(found.map50()).isCloseTo(golden.get("map50").getAsDouble(), NOISE);
        assertThat(found.map50To95()).isCloseTo(golden.get("map50_95").getAsDouble(), NOISE);
        for (ClassMetrics c : found.classes()) {
            JsonObject expected = golden.getAsJsonObject("per_class").getAsJsonObject(c.name());
            assertThat(c.labels()).isEqualTo(expected.get("labels").getAsInt());
            assertThat(c.truePositives()).isEqualTo(expected.get("tp").getAsDouble());
            assertThat(c.falsePositives()).isEqualTo(expected.get("fp").getAsDouble());
            assertThat(c.f1()).isCloseTo(expected.get("f1").getAsDouble(), NOISE);
            assertThat(c.averagePrecision().stream().mapToDouble(ap -> ap).toArray())
                    .containsExactly(Golden.doubles(expected.get("ap_by_iou")), ONE_TIE);
        }
        List<JsonElement> rows = golden.getAsJsonArray("confusion_matrix").asList();
        for (int i = 0; i < rows.size(); i++) {
            assertThat(found.confusion().get(i).stream().mapToDouble(n -> n).toArray())
                    .containsExactly(Golden.doubles(rows.get(i)));
        }
    }

    private static JsonObject golden(String split, int imageSize) {
        JsonObject file = Golden.json(SharedFiles.require("golden/val_bccd.json"));
        return file.getAsJsonArray("results").asList().stream()
                .map(JsonElement::getAsJsonObject)
                .filter(r -> r.get("task").getAsString().equals(split))
                .filter(r -> r.get("imgsz").getAsInt() == imageSize)
                .findFirst()
                .orElseThrow();
    }

    private static DetectionMetrics validate(String split, int imageSize) {
        Path weights = SharedFiles.requireWeights("yolov5n-bccd-320.pt");
        DetectionDataset bccd = DetectionDataset.load(SharedFiles.require("data/bccd/data.yaml"));
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                Communicator alone = InProcessCommunicator.group(1, Duration.ofSeconds(30)).get(0);
                YoloV5Detector model =
                        YoloV5Detector.builder()
                                .setWeights(weights)
                                .optImageSize(imageSize)
                                .build()) {
            DetectionValidation validation =
                    DetectionValidation.builder()
                            .setSplit(bccd.split(split))
                            .setDecoder(YoloV5.decoder())
                            .optImageSize(imageSize)
                            .build();
            RankContext rank =
                    new RankContext(
                            0,
                            1,
                            0,
                            1,
                            Device.cpu(),
                            TorchRuntime.threads(),
                            0,
                            alone,
                            manager,
                            Deadlines.defaults());
            return validation.metrics(
                    new ValidationContext(rank, model::predict, 16, Loading.defaults()));
        }
    }
}
