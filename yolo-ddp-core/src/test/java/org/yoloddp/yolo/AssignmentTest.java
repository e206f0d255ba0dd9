package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.testing.Golden;

class AssignmentTest {

    private static final JsonObject LOSS = Golden.json("loss.json");
    private static final int[] SIDES = {40, 20, 10};

    @ParameterizedTest
    @ValueSource(strings = {"A", "B_image1_empty", "empty", "one"})
    void cellsAndBoxesAreTheGoldenOnesInOrder(String set) {
        float[] targets = flat(LOSS.getAsJsonObject("targets").getAsJsonArray(set));
        JsonArray golden = LOSS.getAsJsonObject("build_targets").getAsJsonArray(set);
        for (int level = 0; level < 3; level++) {
            JsonObject expected = golden.get(level).getAsJsonObject();
            Assignment actual = assign(targets, level, 4);
            assertThat(actual.count()).isEqualTo(expected.get("n").getAsInt());
            int[] image = Golden.ints(expected.get("b"));
            int[] anchor = Golden.ints(expected.get("a"));
            int[] row = Golden.ints(expected.get("gj"));
            int[] column = Golden.ints(expected.get("gi"));
            int[] classes = Golden.ints(expected.get("tcls"));
            float[][] box = Golden.floatRows(expected.get("tbox"));
            for (int i = 0; i < actual.count(); i++) {
                assertThat(
                                new int[] {
                                    actual.image(i),
                                    actual.anchor(i),
                                    actual.row(i),
                                    actual.column(i),
                                    actual.classIndex(i)
                                })
                        .as("%s level %d entry %d", set, level, i)
                        .containsExactly(image[i], anchor[i], row[i], column[i], classes[i]);
                for (int k = 0; k < 4; k++) {
                    assertThat(actual.box(i, k)).isEqualTo(box[i][k]);
                }
            }
        }
    }

    @Test
    void anotherThresholdAssignsOtherCells() {
        float[] targets = flat(LOSS.getAsJsonObject("targets").getAsJsonArray("A"));

        assertThat(assign(targets, 0, 2).count()).isLessThan(assign(targets, 0, 4).count());
    }

    private static Assignment assign(float[] targets, int level, float threshold) {
        AnchorGrid grid = AnchorGrid.of(ModelYaml.load("yolov5n").anchors(), new int[] {8, 16, 32});
        return Assignment.of(targets, grid, level, SIDES[level], SIDES[level], threshold);
    }

    private static float[] flat(JsonArray rows) {
        float[][] values = Golden.floatRows(rows);
        float[] result = new float[6 * values.length];
        for (int i = 0; i < values.length; i++) {
            System.arraycopy(values[i], 0, result, 6 * i, 6);
        }
        return result;
    }
}
