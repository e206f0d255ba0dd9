package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SyntheticShapesTest {

    @TempDir private Path folder;

    @Test
    void theDataSetIsUsable() {
        DetectionDataset shapes =
                DetectionDataset.load(SyntheticShapes.write(folder, 12, 5, 64, 1));

        assertThat(shapes.classNames()).isEqualTo(SyntheticShapes.CLASSES);
        assertThat(shapes.split("train").size()).isEqualTo(12);
        assertThat(shapes.split("val").size()).isEqualTo(5);
        assertThat(shapes.split("train").instancesPerClass()).doesNotContain(0);
        assertThat(shapes.problems()).isEmpty();
    }

    @Test
    void oneSeedGivesTheSameBytesAndAnotherGivesOthers() throws IOException {
        SyntheticShapes.write(folder.resolve("a"), 2, 1, 48, 7);
        SyntheticShapes.write(folder.resolve("b"), 2, 1, 48, 7);
        SyntheticShapes.write(folder.resolve("c"), 2, 1, 48, 8);

        String image = "images/train/shapes00001.png";
        byte[] first = Files.readAllBytes(folder.resolve("a").resolve(image));
        assertThat(folder.resolve("b").resolve(image)).hasBinaryContent(first);
        assertThat(Files.readAllBytes(folder.resolve("c").resolve(image))).isNotEqualTo(first);
    }
}
