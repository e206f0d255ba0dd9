package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelYamlTest {

    private static final String HEAD =
            "nc: 2\ndepth_multiple: 1.0\nwidth_multiple: 1.0\nanchors:\n  - [10, 13, 16, 30]\n";

    private static final String SMALL =
            HEAD
                    + "backbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [32, 3, 2]]\n"
                    + "head:\n  - [-1, 2, C3, [32]]\n  - [[-1], 1, Detect, [nc, anchors]]\n";

    private static YoloV5Block build(String text) {
        return new YoloV5Block(ModelYaml.parse("my.yaml", text), 0);
    }

    private static void assertRefused(String text, String message) {
        assertThatThrownBy(() -> build(text))
                .isInstanceOf(ModelYamlException.class)
                .hasMessage(message);
    }

    @Test
    void customModelIsBuilt() {
        YoloV5Block block = build(SMALL);

        assertThat(block.strides()).containsExactly(4);
        assertThat(block.getOutputShapes(new Shape[] {new Shape(1, 3, 64, 64)}))
                .containsExactly(new Shape(1, 2, 16, 16, 7));
        assertThat(block.getParameters().keys())
                .contains("model.2.m.1.cv2.conv.weight", "model.3.m.0.bias");
    }

    @Test
    void fileAndNameGiveTheSame(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("small.yaml");
        Files.writeString(file, SMALL);

        assertThat(ModelYaml.load(file.toString())).isEqualTo(ModelYaml.parse("my.yaml", SMALL));
        assertThat(ModelYaml.load("yolov5n.yaml")).isEqualTo(ModelYaml.load("yolov5n"));
        assertThat(ModelYaml.load("yolov5n")).isNotEqualTo(ModelYaml.load("yolov5s"));
    }

    @Test
    void descriptionSurvivesAsMap() {
        ModelYaml yaml = ModelYaml.load("yolov5m").withClasses(7);

        assertThat(ModelYaml.of("map", yaml.toMap())).isEqualTo(yaml);
    }

    @Test
    void anchorsFromLargeToSmallAreTurnedAround() {
        ModelYaml yaml = ModelYaml.load("yolov5n");
        double[][] anchors = yaml.anchors();
        double[][] reversed = {anchors[2], anchors[1], anchors[0]};

        assertThat(new YoloV5Block(yaml.withAnchors(reversed), 0).anchors().flat())
                .isEqualTo(new YoloV5Block(yaml, 0).anchors().flat());
    }

    @Test
    void unknownModelIsRefused() {
        assertThatThrownBy(() -> ModelYaml.load("yolov9"))
                .isInstanceOf(ModelYamlException.class)
                .hasMessage(
                        "no model yolov9: give one of yolov5n, yolov5s, yolov5m, yolov5l, yolov5x, or"
                                + " the path of an existing model yaml");
    }

    @Test
    void mistakesAreRefusedWithFileAndRow() {
        assertRefused("[1, 2]", "model my.yaml: it is not a map with backbone and head");
        assertRefused(
                SMALL.replace("nc: 2", "nc: 0"), "model my.yaml: nc is 0; it must be at least 1");
        assertRefused(
                SMALL.replace("depth_multiple", "depth_multiples"),
                "model my.yaml: unknown key depth_multiples");
        assertRefused(
                SMALL.replace("width_multiple: 1.0", "width_multiple: -1"),
                "model my.yaml: width_multiple is -1.0; it must lie in (0, 100]");
        assertRefused(
                SMALL.replace("16, 30]", "16]"),
                "model my.yaml: anchors of level 0 have 3 numbers; each level needs the same number"
                        + " of width, height pairs");
        assertRefused(
                SMALL.replace("[32, 3, 2]]", "[32, 3, 2], 5]"),
                "model my.yaml, row 1 [-1, 1, Conv, [32, 3, 2], 5]: a row is [from, number, module,"
                        + " [arguments]]");
        assertRefused(
                SMALL.replace("[-1, 2, C3, [32]]", "[5, 2, C3, [32]]"),
                "model my.yaml, row 2 [5, 2, C3, [32]]: from 5 is not an earlier layer");
        assertRefused(
                SMALL.replace("[-1, 2, C3, [32]]", "[-1, 2, C9, [32]]"),
                "model my.yaml, row 2 [-1, 2, C9, [32]]: unknown module; known are Conv, DWConv,"
                        + " Bottleneck, C3, SPP, SPPF, Concat, nn.Upsample, nn.MaxPool2d, Detect");
        assertRefused(
                SMALL.replace("[-1, 2, C3, [32]]", "[-1, 2, C3, [wide]]"),
                "model my.yaml, row 2 [-1, 2, C3, [wide]]: argument 0 is wide, not a whole number");
        assertRefused(
                SMALL.replace("[-1, 2, C3, [32]]", "[[0, 1], 1, Concat, [1]]"),
                "model my.yaml, row 2 [[0, 1], 1, Concat, [1]]: its inputs have different sizes,"
                        + " 128×128 and 64×64 for an image of 256");
        assertRefused(
                SMALL.replace("[[-1], 1, Detect", "[[-1, 0], 1, Detect"),
                "model my.yaml, row 3 [[-1, 0], 1, Detect, [nc, anchors]]: 2 inputs, but anchors for"
                        + " 1 levels");
        assertRefused(
                SMALL.replace("  - [[-1], 1, Detect, [nc, anchors]]\n", ""),
                "model my.yaml, row 2 [-1, 2, C3, [32]]: the last layer must be Detect");
    }
}
