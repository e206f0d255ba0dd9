package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.detection.SyntheticShapes;

@Tag("torch")
class TrainDetectorTest {

    @TempDir private Path folder;

    @Test
    void writesWeightsAndRunFolder() {
        Path data = SyntheticShapes.write(folder.resolve("shapes"), 4, 2, 64, 0);
        Path runs = folder.resolve("runs");
        TrainDetector.main(new String[] {data.toString(), "1", runs.toString()});
        assertThat(runs.resolve("yolov5n.safetensors")).isRegularFile();
        assertThat(runs.resolve("exp/results.csv")).isRegularFile();
        assertThat(runs.resolve("exp/summary.json")).isRegularFile();
        assertThat(Files.isDirectory(runs.resolve("exp2"))).isFalse();
    }
}
