package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.BatchPlan;
import org.yoloddp.train.BatchStream;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Loading;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingBatch;

@Tag("torch")
class DetectionTrainingDataTest {

    @TempDir private static Path folder;
    private static DetectionDataset shapes;

    @BeforeAll
    static void start() {
        TorchRuntime.start();
        shapes = DetectionDataset.load(SyntheticShapes.write(folder.resolve("s"), 9, 2, 48, 3));
    }

    @Test
    void aBatchHoldsFractionsOfRedGreenBlueInChannelsLastAndItsLabels() {
        DetectionSplit train = shapes.split("train");
        DetectionTrainingData data =
                new DetectionTrainingData(train, 64, Transforms.letterbox(64, 64, true));
        try (NDManager manager = NDManager.newBaseManager();
                BatchStream stream =
                        data.open(plan(1, 0, new int[] {5, 2}, 2, Loading.defaults()))) {
            TrainingBatch batch = stream.next(manager);
            NDArray pixels = batch.data().singletonOrThrow();
            assertThat(batch.size()).isEqualTo(2);
            assertThat(pixels.getShape()).isEqualTo(new Shape(2, 3, 64, 64));
            assertThat(Layouts.isChannelsLast(pixels)).isTrue();
            PixelImage second =
                    ImageReader.fit(ImageReader.decode(train.samples().get(2).path()), 64, true);
            byte[] rgb = second.rgb();
            float[] values = pixels.get(1).toFloatArray();
            for (int i = 0; i < values.length; i++) {
                int level = rgb[i % 4096 * 3 + i / 4096] & 255;
                assertThat(values[i]).isEqualTo(level / 255f);
            }
            NDArray labels = batch.labels().singletonOrThrow();
            int first = train.samples().get(5).labels().length;
            int rows = first + train.samples().get(2).labels().length;
            assertThat(labels.getShape()).isEqualTo(new Shape(rows, 6));
            float[] flat = labels.toFloatArray();
            assertThat(flat[0]).isZero();
            assertThat(flat[first * 6]).isEqualTo(1);
            assertThat(flat[first * 6 + 1]).isEqualTo(train.samples().get(2).labels()[0][0]);
        }
    }

    @Test
    void aBatchWithoutAnyLabelHasNoRows() {
        DatasetFolder files = new DatasetFolder(folder.resolve("blank"));
        files.image("images/train/b.png", 32, 32);
        DetectionTrainingData data =
                new DetectionTrainingData(
                        files.load().split("train"), 32, Transforms.letterbox(32, 32, true));
        try (NDManager manager = NDManager.newBaseManager();
                BatchStream stream = data.open(plan(1, 0, new int[] {1}, 1, Loading.defaults()))) {
            assertThat(stream.next(manager).labels().singletonOrThrow().getShape())
                    .isEqualTo(new Shape(0, 6));
        }
    }

    @Test
    void augmentationDependsOnSeedEpochAndSampleOnly() {
        List<float[]> one = samples(1, 0, 4, Loading.defaults().withWorkers(1), 0, 3, 7);
        List<float[]> other =
                samples(1, 0, 1, Loading.defaults().withWorkers(3).withCacheBytes(0), 7, 3, 0);

        assertThat(other.get(0)).containsExactly(one.get(2));
        assertThat(other.get(1)).containsExactly(one.get(1));
        assertThat(other.get(2)).containsExactly(one.get(0));
        assertThat(samples(1, 1, 4, Loading.defaults(), 0, 3, 7).get(1)).isNotEqualTo(one.get(1));
        assertThat(samples(2, 0, 4, Loading.defaults(), 0, 3, 7).get(1)).isNotEqualTo(one.get(1));
    }

    @Test
    void anImageThatCannotBeDecodedIsAnErrorThatNamesIt() throws Exception {
        DatasetFolder files = new DatasetFolder(folder.resolve("broken"));
        Path broken = files.image("images/train/b.jpg", 32, 32);
        byte[] jpeg = Files.readAllBytes(broken);
        Arrays.fill(jpeg, 60, jpeg.length - 2, (byte) 0);
        DetectionSplit train = files.load().split("train");
        Files.write(broken, jpeg);
        DetectionTrainingData data =
                new DetectionTrainingData(train, 32, Transforms.letterbox(32, 32, true));
        try (NDManager manager = NDManager.newBaseManager();
                BatchStream stream =
                        data.open(plan(1, 0, new int[] {0, 1}, 2, Loading.defaults()))) {
            assertThatThrownBy(() -> stream.next(manager))
                    .isInstanceOf(DatasetException.class)
                    .hasMessage(
                            "cannot decode the image %s; it is damaged or of a format that OpenCV"
                                    + " does not know, so remove or replace it",
                            broken);
        }
    }

    @Test
    void transformsThatMakeAnotherSizeAreAnError() {
        DetectionSplit train = shapes.split("train");
        DetectionTrainingData data =
                new DetectionTrainingData(train, 64, Transforms.letterbox(32, 64, true));
        try (NDManager manager = NDManager.newBaseManager();
                BatchStream stream = data.open(plan(1, 0, new int[] {0}, 1, Loading.defaults()))) {
            assertThatThrownBy(() -> stream.next(manager))
                    .isInstanceOf(DatasetException.class)
                    .hasMessage(
                            "the transforms made 32x64 pixels of %s, but a batch needs 64x64; let a"
                                    + " letterbox of that size be among them",
                            train.samples().get(0).path());
        }
    }

    private static List<float[]> samples(
            long seed, int epoch, int batchSize, Loading loading, int... indices) {
        ImageTransform transform = Transforms.yolov5Train(64, Augmentation.defaults());
        DetectionTrainingData data =
                new DetectionTrainingData(shapes.split("train"), 64, transform);
        List<float[]> result = new ArrayList<>();
        BatchPlan plan = plan(seed, epoch, indices, batchSize, loading);
        try (NDManager manager = NDManager.newBaseManager();
                BatchStream stream = data.open(plan)) {
            for (int b = 0; b < plan.batches(); b++) {
                TrainingBatch batch = stream.next(manager);
                for (int i = 0; i < batch.size(); i++) {
                    result.add(batch.data().singletonOrThrow().get(i).toFloatArray());
                }
            }
        }
        return result;
    }

    private static BatchPlan plan(
            long seed, int epoch, int[] indices, int batchSize, Loading loading) {
        RankContext rank =
                new RankContext(
                        0, 1, 0, 1, Device.cpu(), 1, seed, null, null, Deadlines.defaults());
        return new BatchPlan(rank, epoch, indices, batchSize, loading);
    }
}
