package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.loss.Loss;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.amp.GradScaler;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.Join;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.UnevenShardsException;

/** Ranks with unlike numbers of samples, held to one process that averages the same gradients. */
@Tag("torch")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class UnevenInputsTest {

    private static final int RANKS = 3;
    private static final int PER_RANK = 4;
    private static final double EQUAL = 1e-6;
    private static final double FAR = 1e-3;

    /** Samples by rank: some of them with none, with full and with smaller last batches. */
    private static final List<int[]> LENGTHS =
            List.of(new int[] {14, 6, 10}, new int[] {0, 9, 4}, new int[] {5, 0, 13});

    @TempDir Path folder;
    private Toy toy;

    @BeforeEach
    void load() {
        toy = new Toy();
    }

    @AfterEach
    void free() {
        toy.close();
    }

    /** Neighbouring samples, other ones for each rank and epoch. */
    private static int[] shard(int[] lengths, int epoch, int rank) {
        int[] shard = new int[lengths[rank]];
        Arrays.setAll(shard, i -> (rank * 15 + epoch * 7 + i) % Toy.SAMPLES);
        return shard;
    }

    private DistributedTrainerBuilder base(int accumulate) {
        return toy.builder()
                .setEpochs(3)
                .setBatchSize(RANKS * PER_RANK)
                .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.2), accumulate))
                .optOptimizer(OptimizerSpec.sgd().momentum(.9).weightDecay(1e-3))
                .optClipNorm(.5);
    }

    private DistributedTrainerBuilder uneven(int[] lengths, int accumulate) {
        return base(accumulate)
                .optWorld(World.threads(RANKS))
                .optSampler((size, epoch, rank, world) -> shard(lengths, epoch, rank))
                .optJoin(Join.ACTIVE_RANKS);
    }

    private Weights weights(DistributedTrainerBuilder builder) {
        Path file = folder.resolve("weights.safetensors");
        try (DistributedTrainer trainer = builder.build()) {
            TrainingReport report = trainer.train();
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
            assertThat(Set.copyOf(report.buffersSha256())).hasSize(1);
            trainer.exportWeights(file);
        }
        return Weights.read(file);
    }

    /**
     * One process that sees the batches of all ranks at once, with any sample where a rank has
     * none, and takes the mean of the means of those that count.
     */
    private DistributedTrainerBuilder reference(int[] lengths, int accumulate, Join join) {
        int steps = (Arrays.stream(lengths).max().orElseThrow() + PER_RANK - 1) / PER_RANK;
        return base(accumulate)
                .optWorld(World.threads(1))
                .optSampler((size, epoch, rank, world) -> slots(lengths, epoch, steps))
                .setLoss(
                        rank -> {
                            int[] calls = new int[1];
                            return new MeanOfMeans(lengths, steps, join, calls);
                        });
    }

    private static int[] slots(int[] lengths, int epoch, int steps) {
        int[] all = new int[steps * RANKS * PER_RANK];
        for (int rank = 0; rank < RANKS; rank++) {
            int[] shard = shard(lengths, epoch, rank);
            for (int i = 0; i < shard.length; i++) {
                int step = i / PER_RANK;
                all[(step * RANKS + rank) * PER_RANK + i % PER_RANK] = shard[i];
            }
        }
        return all;
    }

    private record MeanOfMeans(int[] lengths, int steps, Join join, int[] calls)
            implements TrainingLoss {

        @Override
        public List<String> terms() {
            return List.of("loss");
        }

        @Override
        public LossValue evaluate(NDList labels, NDList predictions) {
            int step = calls[0]++ % steps;
            List<NDArray> means = new ArrayList<>();
            for (int rank = 0; rank < RANKS; rank++) {
                int rows = Math.min(PER_RANK, lengths[rank] - step * PER_RANK);
                if (rows > 0) {
                    String part = rank * PER_RANK + ":" + (rank * PER_RANK + rows);
                    means.add(
                            Loss.softmaxCrossEntropyLoss()
                                    .evaluate(
                                            new NDList(labels.head().get(part)),
                                            new NDList(predictions.head().get(part))));
                }
            }
            NDArray sum = means.stream().reduce(NDArray::add).orElseThrow();
            NDArray total = sum.div(join == Join.ALL_RANKS ? RANKS : means.size());
            return new LossValue(total, total.stopGradient().reshape(1));
        }
    }

    @Test
    void equalsOneProcessThatAveragesOverTheRanksWithABatch() {
        for (int[] lengths : LENGTHS) {
            for (int accumulate = 1; accumulate <= 3; accumulate += 2) {
                Weights joined = weights(uneven(lengths, accumulate));
                Weights one = weights(reference(lengths, accumulate, Join.ACTIVE_RANKS));
                assertThat(joined.largestDifference(one)).isLessThan(EQUAL);
                Weights all = weights(uneven(lengths, accumulate).optJoin(Join.ALL_RANKS));
                Weights oneOfAll = weights(reference(lengths, accumulate, Join.ALL_RANKS));
                assertThat(all.largestDifference(oneOfAll)).isLessThan(EQUAL);
                assertThat(all.largestDifference(joined)).isGreaterThan(FAR);
            }
        }
    }

    @Test
    void theBitsDependOnNoOptionOfTheReduction() {
        GradScaler.Options scale =
                GradScaler.Options.defaults().withInitialScale(256).withGrowthInterval(3);
        for (int[] lengths : LENGTHS) {
            Weights plain = weights(uneven(lengths, 2));
            for (Reduction reduction :
                    List.of(
                            Reduction.defaults().withOverlap(false),
                            Reduction.defaults().withFindUnused(true),
                            Reduction.defaults().withShardOptimizerState(true),
                            Reduction.defaults().withBucketBytes(64).withVerifyEvery(1))) {
                assertThat(
                                weights(uneven(lengths, 2).optReduction(reduction))
                                        .largestDifference(plain))
                        .isZero();
            }
            Weights scaled =
                    weights(
                            uneven(lengths, 2)
                                    .optPrecision(Precision.float32().withLossScaling(scale)));
            assertThat(scaled.largestDifference(plain)).isZero();
        }
    }

    @Test
    void evenSharesAreWhatTheyWereWithoutJoin() {
        DistributedTrainerBuilder even = base(1).optWorld(World.threads(RANKS));
        Weights joined = weights(even.optJoin(Join.ACTIVE_RANKS));
        Weights plain = weights(base(1).optWorld(World.threads(RANKS)));
        assertThat(joined.largestDifference(plain)).isZero();
    }

    /** Rank 0 never has a batch: its own running statistics would stay as they began. */
    @Test
    void buffersComeFromARankThatHasData() {
        Weights trained =
                weights(
                        uneven(new int[] {0, 10, 4}, 1)
                                .optReduction(Reduction.defaults().withVerifyEvery(1))
                                .setBlock(
                                        rank ->
                                                new SequentialBlock()
                                                        .add(Linear.builder().setUnits(8).build())
                                                        .add(BatchNorm.builder().build())
                                                        .add(Activation.reluBlock())
                                                        .add(
                                                                Linear.builder()
                                                                        .setUnits(2)
                                                                        .build())));
        for (Map.Entry<String, float[]> entry : trained.arrays().entrySet()) {
            if (entry.getKey().contains("unning")) {
                float begin = entry.getKey().contains("Var") ? 1 : 0;
                for (float value : entry.getValue()) {
                    assertThat(value).isNotEqualTo(begin);
                }
            }
        }
        assertThat(trained.arrays().keySet()).filteredOn(k -> k.contains("unning")).hasSize(2);
    }

    /** At a learning rate of 0 the mean over the epoch is the loss of the whole data set. */
    @Test
    void lossesAndImagesCountSamples() {
        Map<String, Double> whole;
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(1)
                        .setBatchSize(Toy.SAMPLES)
                        .optLearningRate(LearningRate.constant(0))
                        .optWorld(World.threads(1))
                        .build()) {
            whole = trainer.train().lastEpoch().losses();
        }
        for (int most : new int[] {41, 47}) {
            List<StepReport> steps = new ArrayList<>();
            try (DistributedTrainer trainer =
                    toy.builder()
                            .setEpochs(1)
                            .optLearningRate(LearningRate.constant(0))
                            .optSampler(
                                    (size, epoch, rank, world) ->
                                            rank == 0 ? range(0, most) : range(most, size))
                            .optJoin(Join.ACTIVE_RANKS)
                            .addObserver(Toy.onStep(steps::add))
                            .build()) {
                TrainingReport report = trainer.train();
                assertThat(report.lastEpoch().losses().get("loss"))
                        .isCloseTo(whole.get("loss"), within(1e-6));
                assertThat(report.steps()).isEqualTo((most + 5) / 6);
            }
            StepReport last = steps.get(steps.size() - 1);
            assertThat(last.images()).isEqualTo(Toy.SAMPLES);
            assertThat(last.batches()).isEqualTo(steps.size());
        }
    }

    private static int[] range(int from, int to) {
        int[] range = new int[to - from];
        Arrays.setAll(range, i -> from + i);
        return range;
    }

    @Test
    void unpaddedSharesTrain() {
        List<StepReport> steps = new ArrayList<>();
        weights(
                toy.builder()
                        .setEpochs(1)
                        .setBatchSize(5)
                        .optWorld(World.threads(5))
                        .optSampler(IndexSampler.distributed().pad(false))
                        .optJoin(Join.ACTIVE_RANKS)
                        .addObserver(Toy.onStep(steps::add)));
        assertThat(steps).hasSize(10);
        assertThat(steps.get(9).images()).isEqualTo(Toy.SAMPLES);
    }

    @Test
    void aRankThatFailsEndsThoseWithoutData() {
        IllegalStateException mine = new IllegalStateException("no such sample");
        TrainingLoss loss = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        try (DistributedTrainer trainer =
                uneven(new int[] {0, 9, 4}, 1)
                        .setLoss(
                                rank ->
                                        new TrainingLoss() {
                                            private int calls;

                                            @Override
                                            public List<String> terms() {
                                                return loss.terms();
                                            }

                                            @Override
                                            public LossValue evaluate(
                                                    NDList labels, NDList predictions) {
                                                if (rank.rank() == 1 && ++calls == 3) {
                                                    throw mine;
                                                }
                                                return loss.evaluate(labels, predictions);
                                            }
                                        })
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOfSatisfying(
                            RankFailedException.class, e -> assertThat(e.rank()).isEqualTo(1))
                    .hasCause(mine);
        }
    }

    @Test
    void anEpochWithoutAnySampleIsRefused() {
        try (DistributedTrainer trainer =
                uneven(new int[] {0, 9, 4}, 1)
                        .optSampler((size, epoch, rank, world) -> new int[0])
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(UnevenShardsException.class)
                    .hasMessage("the sampler gives no rank a sample in epoch 0; give at least one");
        }
        try (DistributedTrainer trainer =
                uneven(new int[] {0, 9, 4}, 1)
                        .optSampler(
                                (size, epoch, rank, world) ->
                                        new int[rank == 1 ? 9 + 4 * epoch : 1])
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(UnevenShardsException.class)
                    .hasMessageStartingWith(
                            "the sampler gives each rank 4 batches in epoch 1, but 3 in epoch 0");
        }
    }
}
