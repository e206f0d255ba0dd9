package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DetectionPainterTest {

    private final DetectionPainter painter = new DetectionPainter(List.of("cat", "dog"));
    private final PixelImage black = new PixelImage(120, 90, new byte[120 * 90 * 3]);

    @Test
    void trueBoxesAreWhiteAndDetectedOnesCarryTheirClassColour() {
        PixelImage result =
                painter.draw(
                        black,
                        new float[][] {{0, .25f, .5f, .2f, .4f}},
                        List.of(new Detection(60, 40, 110, 80, .87f, 1)));

        assertThat(pixel(result, 18, 45)).containsExactly(255, 255, 255);
        assertThat(pixel(result, 30, 45)).containsExactly(0, 0, 0);
        assertThat(pixel(result, 60, 60)).containsExactly(49, 210, 207);
        assertThat(pixel(result, 85, 60)).containsExactly(0, 0, 0);
        assertThat(pixel(result, 61, 39)).containsExactly(49, 210, 207);
        assertThat(black.bgr()).containsOnly(0);
    }

    @Test
    void boxesAcrossTheEdgeAndWithoutRoomAboveAreDrawnToo() {
        PixelImage result =
                painter.draw(black, new float[0][], List.of(new Detection(-5, 0, 200, 95, 1, 0)));
        assertThat(result).isNotEqualTo(black);
        assertThat(painter.draw(black, new float[0][], List.of())).isEqualTo(black);
    }

    @Test
    void filesAreWrittenIntoNewFolders(@TempDir Path folder) {
        Path image = new DatasetFolder(folder).image("images/train/a.png", 64, 48);
        for (String name : List.of("out/deep/a.png", "out/a.jpg")) {
            Path output = folder.resolve(name);
            painter.draw(image, new float[0][], List.of(new Detection(5, 9, 40, 40, 1, 0)), output);
            assertThat(ImageReader.decode(output).width()).isEqualTo(64);
        }
        assertThatThrownBy(
                        () ->
                                painter.draw(
                                        image, new float[0][], List.of(), folder.resolve("a.xyz")))
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "cannot write the image %s; the folder has to be writable, and the name has"
                                + " to end in png, jpg or another format that OpenCV writes",
                        folder.resolve("a.xyz"));
    }

    private static int[] pixel(PixelImage image, int x, int y) {
        int at = (y * image.width() + x) * 3;
        return new int[] {
            image.bgr()[at] & 255, image.bgr()[at + 1] & 255, image.bgr()[at + 2] & 255
        };
    }
}
