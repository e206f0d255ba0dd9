package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SampleSourceTest {

    private static final long IMAGE_BYTES = 32 * 32 * 3;

    @TempDir private Path folder;
    private DetectionSplit split;

    @BeforeEach
    void writeImages() {
        split = DetectionDataset.load(SyntheticShapes.write(folder, 5, 1, 64, 9)).split("train");
    }

    @Test
    void imagesAreKeptAsFarAsTheLimitAllows() throws Exception {
        SampleSource source = new SampleSource(split, 32, true);
        source.limit(2 * IMAGE_BYTES + 10, 1);
        ImageSample first = source.load(0);
        source.load(1);
        source.load(2);
        source.load(0);

        assertThat(source.cachedBytes()).isEqualTo(2 * IMAGE_BYTES);
        Files.delete(split.samples().get(0).path());
        Files.delete(split.samples().get(2).path());
        assertThat(source.load(0).image()).isSameAs(first.image());
        assertThatThrownBy(() -> source.load(2))
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "cannot read %1$s: java.nio.file.NoSuchFileException: %1$s",
                        split.samples().get(2).path());
    }

    @Test
    void aLimitOfNothingKeepsNothing() {
        SampleSource source = new SampleSource(split, 32, true);
        source.limit(0, 1);
        source.load(0);
        assertThat(source.cachedBytes()).isZero();
    }

    @Test
    void samplesSayWhereTheFilesPixelsAre() {
        ImageSample sample = new SampleSource(split, 32, true).load(3);
        assertThat(sample.index()).isEqualTo(3);
        assertThat(sample.image().width()).isEqualTo(32);
        assertThat(sample.placement()).isEqualTo(new Placement(64, 64, .5, 0, 0));
        assertThat(sample.labels()).isSameAs(split.samples().get(3).labels());
    }
}
