package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Loading;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.ValidationContext;
import org.yoloddp.train.ValidationResult;

@Tag("torch")
class DetectionValidationTest {

    private static final Duration DEADLINE = Duration.ofSeconds(30);
    private static final int TOTAL_BATCH = 12;

    @TempDir private static Path folder;
    private static DetectionSplit split;

    @BeforeAll
    static void start() {
        TorchRuntime.start();
        split = DetectionDataset.load(SyntheticShapes.write(folder, 1, 29, 64, 5)).split("val");
    }

    @Test
    void oneRankFindsWhatIsThere() throws Exception {
        ValidationResult result = run(1, true).get(0);

        assertThat(result.metrics().keySet())
                .containsExactly("precision", "recall", "mAP50", "mAP50-95", "val/mean");
        assertThat(result.byClass().keySet()).containsExactlyElementsOf(SyntheticShapes.CLASSES);
        assertThat(result.byClass().get("circle").keySet())
                .containsExactly("images", "instances", "precision", "recall", "mAP50", "mAP50-95");
        // the detector below sees one shape of each class, so it misses some and encloses others
        assertThat(result.metrics().get("mAP50")).isBetween(.3, .98);
        assertThat(result.fitness())
                .isEqualTo(
                        .1 * result.metrics().get("mAP50") + .9 * result.metrics().get("mAP50-95"));
    }

    /** 29 images in batches of 12 are 3 batches: with 4 ranks one has none. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void anyNumberOfRanksFindsTheSameBits(int ranks) throws Exception {
        ValidationResult alone = run(1, true).get(0);

        assertThat(run(ranks, true)).hasSize(ranks).allMatch(alone::equals);
    }

    @Test
    void withoutTheExchangeRanksDiffer() throws Exception {
        ValidationResult alone = run(1, true).get(0);

        for (ValidationResult share : run(2, false)) {
            assertThat(Math.abs(share.fitness() - alone.fitness())).isGreaterThan(1e-3);
        }
    }

    @Test
    void theDecoderIsRequired() {
        assertThatThrownBy(() -> DetectionValidation.builder().setSplit(split).build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("a DetectionValidation needs setSplit and setDecoder");
    }

    private static List<ValidationResult> run(int ranks, boolean exchange) throws Exception {
        List<Communicator> world = InProcessCommunicator.group(ranks, DEADLINE);
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        try {
            List<Callable<ValidationResult>> bodies = new ArrayList<>();
            for (int r = 0; r < ranks; r++) {
                int rank = r;
                Communicator communicator =
                        exchange
                                ? world.get(rank)
                                : InProcessCommunicator.group(1, DEADLINE).get(0);
                bodies.add(() -> run(rank, ranks, communicator));
            }
            List<ValidationResult> results = new ArrayList<>();
            for (Future<ValidationResult> future :
                    threads.invokeAll(bodies, DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
                results.add(future.get(1, TimeUnit.SECONDS));
            }
            return results;
        } finally {
            threads.shutdownNow();
            world.forEach(Communicator::close);
        }
    }

    private static ValidationResult run(int rank, int ranks, Communicator communicator) {
        try (NDManager manager = NDManager.newBaseManager()) {
            RankContext context =
                    new RankContext(
                            rank,
                            ranks,
                            rank,
                            ranks,
                            Device.cpu(),
                            1,
                            0,
                            communicator,
                            manager,
                            Deadlines.defaults());
            DetectionValidation validation =
                    DetectionValidation.builder()
                            .setSplit(split)
                            .setDecoder(NDList::singletonOrThrow)
                            .optImageSize(64)
                            .optLoss(new MeanOfDetections())
                            .build();
            return validation.run(
                    new ValidationContext(
                            context,
                            DetectionValidationTest::detect,
                            TOTAL_BATCH / ranks,
                            Loading.defaults().withWorkers(1)));
        }
    }

    /** The mean of what was predicted; needs a batch's labels to have six columns. */
    private static final class MeanOfDetections implements TrainingLoss {

        @Override
        public List<String> terms() {
            return List.of("mean");
        }

        @Override
        public LossValue evaluate(NDList labels, NDList predictions) {
            assertThat(labels.singletonOrThrow().getShape().get(1)).isEqualTo(6);
            NDArray mean = predictions.singletonOrThrow().mean();
            return new LossValue(mean, mean.reshape(1));
        }
    }

    /** A detector that encloses all pixels of a colour. */
    private static NDList detect(NDList images) {
        NDArray pixels = images.singletonOrThrow();
        Shape shape = pixels.getShape();
        int area = (int) (shape.get(2) * shape.get(3));
        int width = (int) shape.get(3);
        float[] values = pixels.toFloatArray();
        int count = (int) shape.get(0);
        float[] rows = new float[count * 3 * 8];
        for (int i = 0; i < count; i++) {
            for (int c = 0; c < 3; c++) {
                int[] box = {width, Integer.MAX_VALUE, -1, -1};
                int seen = 0;
                for (int p = 0; p < area; p++) {
                    float[] rgb = new float[3];
                    for (int k = 0; k < 3; k++) {
                        rgb[k] = values[(i * 3 + k) * area + p];
                    }
                    if (rgb[c] > .6f && rgb[(c + 1) % 3] < .35f && rgb[(c + 2) % 3] < .35f) {
                        seen++;
                        box[0] = Math.min(box[0], p % width);
                        box[1] = Math.min(box[1], p / width);
                        box[2] = Math.max(box[2], p % width + 1);
                        box[3] = Math.max(box[3], p / width + 1);
                    }
                }
                if (seen > 0) {
                    int at = (i * 3 + c) * 8;
                    rows[at] = (box[0] + box[2]) / 2f;
                    rows[at + 1] = (box[1] + box[3]) / 2f;
                    rows[at + 2] = box[2] - box[0];
                    rows[at + 3] = box[3] - box[1];
                    rows[at + 4] = (float) seen / ((box[2] - box[0]) * (box[3] - box[1]) + 1);
                    rows[at + 5 + c] = 1;
                }
            }
        }
        return new NDList(pixels.getManager().create(rows, new Shape(count, 3, 8)));
    }
}
