package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;

class DetectionMetricsTest {

    private static final List<String> NAMES = List.of("a", "b", "c", "d", "e", "f");

    private final GoldenTensors tensors = GoldenTensors.read("metrics");
    private final JsonObject golden = Golden.json("metrics.json");

    @Test
    void thresholdsAreTheOriginalsFloats() {
        float[] expected = tensors.floats("iouv");
        for (int i = 0; i < expected.length; i++) {
            assertThat(BoxMatcher.threshold(i)).isEqualTo(expected[i]);
        }
    }

    @Test
    void truePositivesAreTheOriginals() {
        float[][] rows = tensors.rows("detections");
        byte[] correct = tensors.bytes("correct");
        int row = 0;
        for (int image = 0; image < 30; image++) {
            for (int mask : BoxMatcher.truePositives(detections(rows, image), labels(image))) {
                for (int t = 0; t < 10; t++) {
                    assertThat(mask >> t & 1).as("row %d", row).isEqualTo(correct[row * 10 + t]);
                }
                row++;
            }
        }
        assertThat(row).isEqualTo(rows.length);
    }

    @Test
    void conflictsAreResolvedAsInTheOriginal() {
        for (JsonElement element : golden.getAsJsonArray("process_batch")) {
            JsonObject conflict = element.getAsJsonObject();
            List<Detection> detections = new ArrayList<>();
            for (float[] r : Golden.floatRows(conflict.getAsJsonArray("detections"))) {
                detections.add(new Detection(r[0], r[1], r[2], r[3], r[4], (int) r[5]));
            }
            int[] masks =
                    BoxMatcher.truePositives(
                            detections, Golden.floatRows(conflict.getAsJsonArray("labels")));
            float[][] correct = Golden.floatRows(conflict.getAsJsonArray("correct"));
            for (int d = 0; d < masks.length; d++) {
                for (int t = 0; t < 10; t++) {
                    assertThat(masks[d] >> t & 1)
                            .as(conflict.get("case").getAsString())
                            .isEqualTo((int) correct[d][t]);
                }
            }
        }
    }

    @Test
    void smoothingAndAreaAreTheOriginals() {
        for (JsonElement element : golden.getAsJsonArray("smooth")) {
            JsonObject c = element.getAsJsonObject();
            assertThat(
                            AveragePrecision.smooth(
                                    Golden.doubles(c.getAsJsonArray("y")),
                                    c.get("f").getAsDouble()))
                    .containsExactly(Golden.doubles(c.getAsJsonArray("out")), within(1e-12));
        }
        for (JsonElement element : golden.getAsJsonArray("compute_ap")) {
            JsonObject c = element.getAsJsonObject();
            double area =
                    AveragePrecision.area(
                            Golden.doubles(c.getAsJsonArray("recall")),
                            Golden.doubles(c.getAsJsonArray("precision")));
            assertThat(area).isCloseTo(c.get("ap").getAsDouble(), within(1e-12));
        }
        for (JsonElement element : golden.getAsJsonArray("fitness")) {
            double[] f = Golden.doubles(element.getAsJsonObject().getAsJsonArray("p_r_map50_map"));
            assertThat(DetectionMetrics.fitness(f[2], f[3]))
                    .isEqualTo(element.getAsJsonObject().get("fitness").getAsDouble());
        }
    }

    @Test
    void allImages() {
        check("all", image -> true, this::detections);
    }

    @Test
    void firstTenImages() {
        check("first_ten_images", image -> image < 10, this::detections);
    }

    @Test
    void noDetectionAtAll() {
        check("zero_detections", image -> true, (rows, image) -> List.of());
    }

    @Test
    void oneDetectionPerImage() {
        check(
                "one_detection_per_image",
                image -> true,
                (rows, image) -> detections(rows, image).stream().limit(1).toList());
    }

    @Test
    void noTruePositive() {
        check(
                "no_true_positive",
                image -> true,
                (rows, image) ->
                        detections(rows, image).stream()
                                .map(d -> new Detection(900, 900, 901, 901, d.confidence(), 1))
                                .toList());
    }

    @Test
    void onlyClassOne() {
        check(
                "only_class_1",
                image -> true,
                (rows, image) ->
                        detections(rows, image).stream().filter(d -> d.classIndex() == 1).toList());
    }

    @Test
    void theOrderOfImagesMakesNoDifference() {
        float[][] rows = tensors.rows("detections");
        DetectionEvaluator forward = new DetectionEvaluator(NAMES);
        DetectionEvaluator backward = new DetectionEvaluator(NAMES);
        for (int i = 0; i < 30; i++) {
            forward.add(i, detections(rows, i), labels(i));
            backward.add(29 - i, detections(rows, 29 - i), labels(29 - i));
        }

        assertThat(backward.metrics()).isEqualTo(forward.metrics());
    }

    private interface Source {
        List<Detection> of(float[][] rows, int image);
    }

    private void check(String name, Predicate<Integer> images, Source source) {
        float[][] rows = tensors.rows("detections");
        DetectionEvaluator evaluator = new DetectionEvaluator(NAMES);
        IntStream.range(0, 30)
                .filter(images::test)
                .forEach(i -> evaluator.add(i, source.of(rows, i), labels(i)));

        assertMetrics(evaluator.metrics(), golden.getAsJsonObject("cases").getAsJsonObject(name));
    }

    private static void assertMetrics(DetectionMetrics actual, JsonObject expected) {
        assertThat(actual.detections()).isEqualTo(expected.get("detections").getAsInt());
        assertThat(actual.labels()).isEqualTo(expected.get("labels").getAsInt());
        float[][] confusion = Golden.floatRows(expected.getAsJsonArray("confusion_matrix"));
        for (int i = 0; i < confusion.length; i++) {
            for (int k = 0; k < confusion.length; k++) {
                assertThat(actual.confusion().get(i).get(k)).isEqualTo((long) confusion[i][k]);
            }
        }
        var byName = new TreeMap<String, Double>();
        byName.put("mean_precision", actual.precision());
        byName.put("mean_recall", actual.recall());
        byName.put("map50", actual.map50());
        byName.put("map50_95", actual.map50To95());
        byName.put("fitness", actual.fitness());
        byName.forEach(
                (key, value) -> {
                    double golden = expected.has(key) ? expected.get(key).getAsDouble() : 0;
                    assertThat(value).as(key).isCloseTo(golden, within(1e-9));
                });
        if (!expected.has("classes")) {
            assertThat(actual.classes()).isEmpty();
            return;
        }
        double[] classes = Golden.doubles(expected.getAsJsonArray("classes"));
        assertThat(actual.classes()).hasSize(classes.length);
        for (int i = 0; i < classes.length; i++) {
            ClassMetrics c = actual.classes().get(i);
            assertThat(c.index()).isEqualTo((int) classes[i]);
            double[] figures = {
                c.truePositives(), c.falsePositives(), c.precision(), c.recall(), c.f1()
            };
            String[] keys = {"tp", "fp", "precision", "recall", "f1"};
            for (int k = 0; k < keys.length; k++) {
                assertThat(figures[k])
                        .as("%s of class %d", keys[k], i)
                        .isCloseTo(
                                Golden.doubles(expected.getAsJsonArray(keys[k]))[i], within(1e-9));
            }
            double[] ap = Golden.doubles(expected.getAsJsonArray("ap").get(i).getAsJsonArray());
            assertThat(c.averagePrecision().stream().mapToDouble(d -> d).toArray())
                    .containsExactly(ap, within(1e-9));
        }
    }

    private List<Detection> detections(float[][] rows, int image) {
        List<Detection> result = new ArrayList<>();
        for (float[] r : rows) {
            if ((int) r[0] == image) {
                result.add(new Detection(r[1], r[2], r[3], r[4], r[5], (int) r[6]));
            }
        }
        return result;
    }

    private float[][] labels(int image) {
        List<float[]> result = new ArrayList<>();
        for (float[] r : tensors.rows("labels")) {
            if ((int) r[0] == image) {
                result.add(new float[] {r[1], r[2], r[3], r[4], r[5]});
            }
        }
        return result.toArray(float[][]::new);
    }
}
