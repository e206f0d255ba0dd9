package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;

class NonMaxSuppressionTest {

    private final GoldenTensors golden = GoldenTensors.read("nms");

    @TestFactory
    List<DynamicTest> syntheticCasesGiveTheOriginalsRowsInItsOrder() {
        return Golden.json("nms.json").getAsJsonArray("cases").asList().stream()
                .map(JsonElement::getAsJsonObject)
                .filter(c -> c.get("input").getAsString().startsWith("synthetic"))
                .map(c -> DynamicTest.dynamicTest(c.toString(), () -> check(c)))
                .toList();
    }

    @TestFactory
    List<DynamicTest> realPredictionsGiveTheOriginalsRowsInItsOrder() {
        Path file = SharedFiles.require("golden/forward.safetensors");
        float[] rows = GoldenTensors.read(file).floats("eval_decoded");
        return Golden.json("nms.json").getAsJsonArray("cases").asList().stream()
                .map(JsonElement::getAsJsonObject)
                .filter(c -> c.get("input").getAsString().equals("real"))
                .map(c -> DynamicTest.dynamicTest(c.toString(), () -> checkReal(c, rows)))
                .toList();
    }

    private void checkReal(JsonObject settings, float[] rows) {
        for (int image = 0; image < 2; image++) {
            NmsGolden.assertRows(
                    NmsGolden.settings(settings).apply(rows, image * 6300 * 85, 6300, 85),
                    golden.rows("case" + settings.get("index") + "/image" + image));
        }
    }

    private void check(JsonObject settings) {
        int columns = settings.get("input").getAsString().endsWith("nc1") ? 6 : 9;
        float[] all = golden.floats("synthetic");
        for (int image = 0; image < 3; image++) {
            float[] rows = new float[600 * columns];
            for (int row = 0; row < 600; row++) {
                int from = (image * 600 + row) * 9;
                System.arraycopy(all, from, rows, row * columns, columns);
            }
            NmsGolden.assertRows(
                    NmsGolden.settings(settings).apply(rows, columns),
                    golden.rows("case" + settings.get("index") + "/image" + image));
        }
    }

    @Test
    void overlapsOfOneClassOnlySuppressEachOtherUnlessAgnostic() {
        float[] rows = {
            50, 50, 20, 20, 1, .9f, .1f, //
            50, 50, 20, 20, 1, .1f, .8f, //
            51, 50, 20, 20, 1, .7f, .1f
        };
        NonMaxSuppression nms = NonMaxSuppression.forDetection();

        assertThat(nms.apply(rows, 7))
                .containsExactly(
                        new Detection(40, 40, 60, 60, .9f, 0),
                        new Detection(40, 40, 60, 60, .8f, 1));
        assertThat(nms.withAgnostic(true).apply(rows, 7))
                .containsExactly(new Detection(40, 40, 60, 60, .9f, 0));
    }

    @Test
    void aCrowdOfCandidatesEndsAtTheLimit() {
        float[] rows = new float[40_000 * 6];
        for (int i = 0; i < 40_000; i++) {
            float[] row = {i * 10, 5, 8, 8, 1, .3f + i * 1e-5f};
            System.arraycopy(row, 0, rows, i * 6, 6);
        }

        List<Detection> all =
                NonMaxSuppression.forDetection().withMaxDetections(100_000).apply(rows, 6);

        assertThat(all).hasSize(30_000);
        assertThat(all.get(0).confidence()).isCloseTo(.7f, within(1e-4f));
        assertThat(NonMaxSuppression.forDetection().apply(rows, 6)).isEqualTo(all.subList(0, 300));
    }

    @Test
    void nothingIsDetectedInNothing() {
        assertThat(NonMaxSuppression.forDetection().apply(new float[0], 8)).isEmpty();
    }

    @Test
    void thresholdsOutsideTheirRangeAreRefused() {
        NonMaxSuppression nms = NonMaxSuppression.forDetection();

        assertThatThrownBy(() -> nms.withConfidence(1.5))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("confidence must be from 0 to 1, but is 1.5");
        assertThatThrownBy(() -> nms.withIou(Double.NaN))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("iou must be from 0 to 1, but is NaN");
        assertThatThrownBy(() -> nms.withMaxDetections(0))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("maxDetections must be 1 or more, but is 0");
    }

    /** What both golden tests share. */
    static final class NmsGolden {

        private NmsGolden() {}

        static NonMaxSuppression settings(JsonObject c) {
            NonMaxSuppression nms =
                    NonMaxSuppression.forDetection()
                            .withConfidence(c.get("conf_thres").getAsDouble())
                            .withIou(c.get("iou_thres").getAsDouble())
                            .withMultiLabel(c.has("multi_label"))
                            .withAgnostic(c.has("agnostic"));
            if (c.has("max_det")) {
                nms = nms.withMaxDetections(c.get("max_det").getAsInt());
            }
            if (c.has("classes")) {
                nms =
                        nms.withClasses(
                                c.getAsJsonArray("classes").asList().stream()
                                        .mapToInt(JsonElement::getAsInt)
                                        .toArray());
            }
            return nms;
        }

        static void assertRows(List<Detection> actual, float[][] expected) {
            assertThat(actual).hasSize(expected.length);
            for (int i = 0; i < expected.length; i++) {
                Detection d = actual.get(i);
                float[] row = {d.x1(), d.y1(), d.x2(), d.y2()};
                assertThat(row)
                        .as("row %d", i)
                        .containsExactly(Arrays.copyOf(expected[i], 4), within(1e-4f));
                assertThat(d.confidence()).as("row %d", i).isCloseTo(expected[i][4], within(1e-7f));
                assertThat(d.classIndex()).as("row %d", i).isEqualTo((int) expected[i][5]);
            }
        }
    }
}
