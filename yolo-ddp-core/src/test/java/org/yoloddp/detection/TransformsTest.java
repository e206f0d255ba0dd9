package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class TransformsTest {

    private static final PixelImage IMAGE =
            new PixelImage(2, 2, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});

    private static final ImageSample SAMPLE =
            new ImageSample(
                    0,
                    IMAGE,
                    new float[][] {{1, .25f, .375f, .5f, .25f}},
                    new Placement(2, 2, 1, 0, 0));

    @Test
    void flipsMirrorPixelsAndLabels() {
        ImageSample mirrored = Transforms.flipLeftRight(1).apply(SAMPLE, context());
        assertThat(mirrored.image().bgr()).containsExactly(4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9);
        assertThat(mirrored.labels()[0]).containsExactly(1, .75f, .375f, .5f, .25f);

        ImageSample turned = Transforms.flipUpDown(1).apply(SAMPLE, context());
        assertThat(turned.image().bgr()).containsExactly(7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6);
        assertThat(turned.labels()[0]).containsExactly(1, .25f, .625f, .5f, .25f);

        assertThat(Transforms.flipUpDown(0).apply(SAMPLE, context())).isSameAs(SAMPLE);
        assertThat(SAMPLE.labels()[0]).containsExactly(1, .25f, .375f, .5f, .25f);
    }

    @Test
    void transformsAreAppliedInOrderAndDrawFromTheContext() {
        ImageTransform both = Transforms.letterbox(4, 2, true).then(Transforms.flipLeftRight(.5));
        int mirrored = 0;
        for (int i = 0; i < 200; i++) {
            ImageSample result = both.apply(SAMPLE, context(DetectionTrainingData.random(1, 0, i)));
            assertThat(result.image().width()).isEqualTo(4);
            mirrored += result.labels()[0][1] > .5f ? 1 : 0;
        }
        assertThat(mirrored).isBetween(70, 130);
    }

    @Test
    void letterboxedBoxesMapBackToTheFile() {
        PixelImage image = new PixelImage(50, 20, new byte[3000]);
        ImageSample sample =
                new ImageSample(0, image, new float[0][], new Placement(100, 40, .5, 0, 0));
        ImageSample boxed = new Letterbox(100, 100, true, 0).apply(sample);

        Detection found = new Detection(10, 40, 30, 130, .5f, 2);
        assertThat(boxed.placement()).isEqualTo(new Placement(100, 40, 1, 0, 30));
        assertThat(boxed.placement().toFile(List.of(found)))
                .containsExactly(new Detection(10, 10, 30, 40, .5f, 2));
    }

    @Test
    void settingsOutsideTheirRangeAreRefused() {
        assertThatThrownBy(() -> new Augmentation(0, 0, 0, 2, 0))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("augmentation flipUpDown is 2.0, but has to be from 0 to 1");
    }

    private static TransformContext context() {
        return context(new SplittableRandom(0));
    }

    private static TransformContext context(RandomGenerator random) {
        return new TransformContext() {
            @Override
            public RandomGenerator random() {
                return random;
            }

            @Override
            public int size() {
                return 1;
            }

            @Override
            public ImageSample load(int index) {
                return SAMPLE;
            }
        };
    }
}
