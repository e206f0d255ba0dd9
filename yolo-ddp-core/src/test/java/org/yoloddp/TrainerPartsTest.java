package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.train.BadSampleIndexException;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.Loading;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.Metric;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.UnevenShardsException;

/** What a user can put into the trainer: samplers, metrics, a ready block, option groups. */
@Tag("torch")
class TrainerPartsTest {

    private Toy toy;

    @BeforeEach
    void load() {
        toy = new Toy();
    }

    @AfterEach
    void free() {
        toy.close();
    }

    @Test
    void validatesEveryFewEpochsAndAfterTheLast() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(5)
                        .optValidateEvery(2)
                        .optValidationDataset(toy.points)
                        .addMetric(new RightAnswers())
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.epochs())
                    .filteredOn(epoch -> epoch.validation().isPresent())
                    .extracting(EpochReport::epoch)
                    .containsExactly(1, 3, 4);
        }
    }

    @Test
    void patienceWithoutAValidationIsRefused() {
        try (DistributedTrainer trainer = toy.builder().optPatience(1).build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "patience is 1, but without a validation nothing says what improves:"
                                    + " add one, or leave optPatience out");
        }
    }

    @Test
    void aMetricOfTheUserSeesEachSampleOnce() {
        Map<String, Double> one = metrics(1);
        assertThat(one.get("right")).isBetween(30.0, 48.0);
        assertThat(one.get("samples")).isEqualTo(48);
        // the last of the batches is a rank's alone
        assertThat(metrics(2)).isEqualTo(one);
        assertThat(metrics(3)).isEqualTo(one);
    }

    private Map<String, Double> metrics(int ranks) {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(30)
                        .setBatchSize(Toy.SAMPLES)
                        .optSampler(IndexSampler.sequential())
                        .optWorld(World.threads(ranks))
                        .optValidationDataset(toy.points)
                        .addMetric(new RightAnswers())
                        .addMetric(new SamplesSeen())
                        .build()) {
            return trainer.train().lastEpoch().validation().orElseThrow().metrics();
        }
    }

    /** Counts; the state is a number. */
    private abstract static class Count implements Metric<Long> {

        @Override
        public Long empty() {
            return 0L;
        }

        @Override
        public Long merge(Long first, Long second) {
            return first + second;
        }

        @Override
        public double value(Long state) {
            return state;
        }

        @Override
        public double[] encode(Long state) {
            return new double[] {state};
        }

        @Override
        public Long decode(double[] numbers) {
            return (long) numbers[0];
        }
    }

    private static final class RightAnswers extends Count {

        @Override
        public String name() {
            return "right";
        }

        @Override
        public Long update(Long state, NDList labels, NDList predictions) {
            long[] answers = predictions.head().argMax(1).toLongArray();
            int[] truths = labels.head().toType(DataType.INT32, false).toIntArray();
            long right = state;
            for (int i = 0; i < truths.length; i++) {
                right += answers[i] == truths[i] ? 1 : 0;
            }
            return right;
        }
    }

    private static final class SamplesSeen extends Count {

        @Override
        public String name() {
            return "samples";
        }

        @Override
        public Long update(Long state, NDList labels, NDList predictions) {
            return state + labels.head().getShape().get(0);
        }
    }

    @Test
    void aSamplerWithUnevenShardsIsRefused() {
        assertRefused(
                (size, epoch, rank, ranks) -> new int[10 - rank],
                UnevenShardsException.class,
                "the sampler gives the ranks [10, 9] samples in epoch 0, but all ranks have to take"
                        + " the same number of steps, and at least one. Pad or cut the shards, as"
                        + " IndexSampler.distributed() does, or let ranks that run out wait for the"
                        + " others, by optJoin(Join.ACTIVE_RANKS)");
        assertRefused(
                (size, epoch, rank, ranks) -> new int[0],
                UnevenShardsException.class,
                "the sampler gives the ranks [0, 0] samples in epoch 0, but all ranks have to take"
                        + " the same number of steps, and at least one. Pad or cut the shards, as"
                        + " IndexSampler.distributed() does, or let ranks that run out wait for the"
                        + " others, by optJoin(Join.ACTIVE_RANKS)");
    }

    @Test
    void aSamplerWithAnIndexOutOfRangeIsRefused() {
        assertRefused(
                (size, epoch, rank, ranks) -> new int[] {0, rank == 1 && epoch == 1 ? size : 1},
                BadSampleIndexException.class,
                "the sampler gives rank 1 in epoch 1 the index 48 (at place 1), but the data has 48"
                        + " samples. Return indices from 0 to 47");
        assertRefused(
                (size, epoch, rank, ranks) -> new int[] {rank - 1},
                BadSampleIndexException.class,
                "the sampler gives rank 0 in epoch 0 the index -1 (at place 0), but the data has 48"
                        + " samples. Return indices from 0 to 47");
    }

    private void assertRefused(
            IndexSampler sampler, Class<? extends Throwable> type, String message) {
        try (DistributedTrainer trainer = toy.builder().optSampler(sampler).build()) {
            assertThatThrownBy(trainer::train).isInstanceOf(type).hasMessage(message);
        }
    }

    @Test
    void aLossWithOtherTermsThanItNamesIsRefused() {
        TrainingLoss good = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        TrainingLoss bad =
                new TrainingLoss() {
                    @Override
                    public List<String> terms() {
                        return List.of("box", "class");
                    }

                    @Override
                    public LossValue evaluate(NDList labels, NDList predictions) {
                        return good.evaluate(labels, predictions);
                    }
                };
        try (DistributedTrainer trainer = toy.builder().setLoss(rank -> bad).build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "the loss gave 1 terms, but names [box, class]; LossValue.terms needs"
                                    + " one value per name of TrainingLoss.terms()");
        }
    }

    @Test
    void aFactoryThatReturnsOneBlockTwiceIsRefused() {
        Block shared = Toy.net();
        try (DistributedTrainer trainer = toy.builder().setBlock(rank -> shared).build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "the factory given to setBlock returned one block twice, but each rank,"
                                    + " each training and the average of the weights need their"
                                    + " own: make the block inside the factory");
        }
    }

    @Test
    void aReadyBlockIsTrainedItselfAndOutlivesTheTrainer(@TempDir Path folder) {
        Block block = Toy.net();
        try (NDManager manager = NDManager.newBaseManager()) {
            block.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
            assertTrainedAgainAndAgain(block, folder);
        }
    }

    @Test
    void aBlockThatIsNotInitialisedYetOutlivesTheTrainerToo(@TempDir Path folder) {
        Block block = Toy.net();
        assertTrainedAgainAndAgain(block, folder);
        block.clear();
    }

    private void assertTrainedAgainAndAgain(Block block, Path folder) {
        Path file = folder.resolve("trained.safetensors");
        DistributedTrainerBuilder builder = toy.builder().optWorld(World.local()).setBlock(block);
        try (DistributedTrainer trainer = builder.build()) {
            double first = trainer.train().lastEpoch().losses().get("loss");
            double second = trainer.train().lastEpoch().losses().get("loss");
            assertThat(second).isLessThan(first);
            assertThatThrownBy(() -> trainer.newModel("copy"))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "there is no other block to copy the weights into: use the one that"
                                    + " setBlock got, or copyInto, or give setBlock a factory");
            trainer.exportWeights(file);
        }
        Weights exported = Weights.read(file);
        block.getParameters()
                .forEach(
                        p ->
                                assertThat(p.getValue().getArray().toFloatArray())
                                        .containsExactly(exported.arrays().get(p.getKey())));
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = manager.ones(new Shape(3, 2));
            NDList y = block.forward(new ParameterStore(manager, false), new NDList(x), false);
            assertThat(y.head().getShape()).isEqualTo(new Shape(3, 2));
        }
        assertThatThrownBy(() -> builder.optWeightAverage(.9).build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the average of the weights needs a block of its own, but setBlock got a"
                                + " single one: pass a factory, setBlock(rank -> ...)");
    }

    @Test
    void wrongValuesOfOptionGroupsAreRefused() {
        assertWrong(
                () -> Loading.defaults().withWorkers(-1),
                "loading workers is -1, but has to be 0 (automatic) or more");
        assertWrong(
                () -> Loading.defaults().withPrefetch(0),
                "loading prefetch is 0, but has to be 1 or more");
        assertWrong(
                () -> Loading.defaults().withCacheBytes(-5),
                "loading cacheBytes is -5, but has to be 0 (off) or more");
        assertWrong(
                () -> Deadlines.defaults().withCollective(Duration.ZERO),
                "the deadline 'collective' is PT0S, but has to be positive");
        assertWrong(
                () -> Deadlines.defaults().withData(Duration.ofSeconds(-1)),
                "the deadline 'data' is PT-1S, but has to be positive");
        assertWrong(
                () -> Deadlines.defaults().withShutdown(Duration.ZERO),
                "the deadline 'shutdown' is PT0S, but has to be positive");
    }

    private static void assertWrong(Runnable call, String message) {
        assertThatThrownBy(call::run)
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(message);
    }
}
