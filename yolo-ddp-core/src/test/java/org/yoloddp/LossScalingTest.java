package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.loss.Loss;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.yoloddp.amp.GradScaler;
import org.yoloddp.amp.LossScaleException;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;
import org.yoloddp.ddp.CommunicationHook;
import org.yoloddp.ddp.CommunicationHooks;
import org.yoloddp.ddp.GradientBucket;
import org.yoloddp.ddp.NonFiniteGradientException;
import org.yoloddp.ddp.PowerSgd;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.NonFiniteLossException;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.WeightsView;

/** Trainings whose loss is scaled, on the CPU in float32 and float16. */
@Tag("torch")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class LossScalingTest {

    private static final double FAR = 1e-3;
    private static final int BAD_STEP = 3;
    private static final GradScaler.Options HARMLESS =
            GradScaler.Options.defaults().withInitialScale(1024).withGrowthInterval(2);

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

    /** Each epoch is one step over all samples, so that a skipped step is an epoch less. */
    private DistributedTrainerBuilder fullBatch(int epochs) {
        return toy.builder()
                .setEpochs(epochs)
                .setBatchSize(Toy.SAMPLES)
                .optSampler(IndexSampler.sequential())
                .optWorld(World.threads(2));
    }

    private static Precision scaled(GradScaler.Options options) {
        return Precision.float32().withLossScaling(options);
    }

    private Weights weights(DistributedTrainerBuilder builder) {
        return Weights.of(builder, folder);
    }

    @Test
    void powersOfTwoChangeNoBit() {
        Weights plain = weights(fullBatch(8).optClipNorm(.5));
        Weights scaled = weights(fullBatch(8).optClipNorm(.5).optPrecision(scaled(HARMLESS)));
        assertThat(scaled.largestDifference(plain)).isZero();
        Weights rounded =
                weights(
                        fullBatch(8)
                                .optClipNorm(.5)
                                .optPrecision(scaled(HARMLESS.withInitialScale(1000))));
        assertThat(rounded.largestDifference(plain)).isBetween(1e-9, 1e-5);
    }

    /** What a rank does to its loss at one step. */
    private enum Mishap {
        INFINITE_LOSS,
        GRADIENT_ONLY
    }

    /** The loss of DJL, but for one step on one rank. */
    private record Unlucky(TrainingLoss loss, Mishap mishap, int[] calls) implements TrainingLoss {

        static TrainingLoss on(RankContext rank, int unlucky, Mishap mishap) {
            TrainingLoss loss = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
            return rank.rank() == unlucky ? new Unlucky(loss, mishap, new int[1]) : loss;
        }

        @Override
        public List<String> terms() {
            return loss.terms();
        }

        @Override
        public LossValue evaluate(NDList labels, NDList predictions) {
            LossValue value = loss.evaluate(labels, predictions);
            if (calls[0]++ != BAD_STEP) {
                return value;
            }
            NDArray total = value.total();
            if (mishap == Mishap.INFINITE_LOSS) {
                NDArray infinite = total.div(0);
                return new LossValue(infinite, infinite.stopGradient().reshape(1));
            }
            // The square root of 0 is 0, its gradient isn't finite.
            NDArray zero = predictions.head().sub(predictions.head().stopGradient());
            return new LossValue(total.add(zero.abs().sqrt().sum()), value.terms());
        }
    }

    @Test
    void aStepWithoutFiniteGradientsNeverWas() {
        Weights without = weights(fullBatch(7));
        Weights one = weights(fullBatch(8));
        assertThat(one.largestDifference(without)).isGreaterThan(FAR);
        for (Mishap mishap : Mishap.values()) {
            List<StepReport> steps = new ArrayList<>();
            Path file = folder.resolve("skipped.safetensors");
            try (DistributedTrainer trainer =
                    fullBatch(8)
                            .setLoss(rank -> Unlucky.on(rank, 1, mishap))
                            .optPrecision(scaled(HARMLESS.withGrowthInterval(100)))
                            .addObserver(Toy.onStep(steps::add))
                            .build()) {
                TrainingReport report = trainer.train();
                trainer.exportWeights(file);
                assertThat(report.skippedSteps()).isEqualTo(1);
                assertThat(report.lossScale()).isEqualTo(512);
                assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
                assertThat(report.epochs())
                        .allSatisfy(
                                epoch ->
                                        assertThat(epoch.losses().get("loss"))
                                                .isFinite()
                                                .isPositive());
            }
            // With momentum: its buffers were left alone too.
            assertThat(Weights.read(file).largestDifference(without)).isZero();
            assertThat(steps)
                    .extracting(StepReport::skipped)
                    .containsExactly(false, false, false, true, false, false, false, false);
            assertThat(steps)
                    .extracting(StepReport::lossScale)
                    .containsExactly(1024.0, 1024.0, 1024.0, 1024.0, 512.0, 512.0, 512.0, 512.0);
        }
    }

    @Test
    void withoutScalingAGradientThatIsNotFiniteFailsTheTrainingByTheNameOfItsRank() {
        try (DistributedTrainer trainer =
                fullBatch(8).setLoss(rank -> Unlucky.on(rank, 1, Mishap.GRADIENT_ONLY)).build()) {
            // Rank 0 may be the first to tell, of rank 1's failure.
            Throwable thrown = catchThrowable(trainer::train);
            Throwable root = thrown instanceof RankFailedException ? thrown.getCause() : thrown;
            assertThat(root)
                    .isInstanceOfSatisfying(
                            NonFiniteGradientException.class,
                            e -> {
                                assertThat(e.rank()).isEqualTo(1);
                                assertThat(e.step()).isEqualTo(BAD_STEP);
                                assertThat(e.parameter()).isEqualTo("03Linear_bias");
                            })
                    .hasMessage(
                            "the gradient of '03Linear_bias' has an element that is NaN on rank 1"
                                    + " at step 3. It was not averaged, so the weights of the step"
                                    + " before are unharmed. Look at the data of this step on this"
                                    + " rank, and at roots, divisions and logarithms in the loss,"
                                    + " whose gradients are infinite at 0");
        }
    }

    @Test
    void withoutScalingAnInfiniteLossFailsTheTraining() {
        try (DistributedTrainer trainer =
                fullBatch(8).setLoss(rank -> Unlucky.on(rank, 1, Mishap.INFINITE_LOSS)).build()) {
            assertThatThrownBy(trainer::train).isInstanceOf(NonFiniteLossException.class);
        }
    }

    @Test
    void theWeightAverageGoesOnAtASkippedStep() {
        List<Weights> steps = new ArrayList<>();
        steps.add(weights(unlucky().optLearningRate(LearningRate.constant(0))));
        weights(unlucky().addObserver(afterEachEpoch(steps)));
        Weights average = weights(unlucky().optWeightAverage(.9));
        assertThat(average.largestDifference(averaged(steps))).isLessThan(1e-6);
        List<Weights> withoutSkipped = new ArrayList<>(steps);
        withoutSkipped.remove(1 + BAD_STEP);
        assertThat(average.largestDifference(averaged(withoutSkipped))).isGreaterThan(1e-5);
    }

    private DistributedTrainerBuilder unlucky() {
        return fullBatch(8)
                .optLearningRate(LearningRate.constant(.5))
                .setLoss(rank -> Unlucky.on(rank, 0, Mishap.GRADIENT_ONLY))
                .optPrecision(scaled(HARMLESS));
    }

    private TrainingObserver afterEachEpoch(List<Weights> weights) {
        Path file = folder.resolve("epoch.safetensors");
        return new TrainingObserver() {
            @Override
            public void onEpoch(EpochReport report, WeightsView view) {
                view.write(file);
                weights.add(Weights.read(file));
            }
        };
    }

    private static Weights averaged(List<Weights> steps) {
        Weights average = steps.get(0).copy();
        for (int n = 1; n < steps.size(); n++) {
            double decay = .9 * (1 - Math.exp(-n / 2000.0));
            Weights now = steps.get(n);
            average.arrays()
                    .forEach(
                            (name, values) -> {
                                float[] next = now.arrays().get(name);
                                for (int i = 0; i < values.length; i++) {
                                    values[i] = (float) (decay * values[i] + (1 - decay) * next[i]);
                                }
                            });
        }
        return average;
    }

    @Test
    void theScaleStaysTheSameWhileBatchesAreAccumulated() {
        List<StepReport> steps = new ArrayList<>();
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(2)
                        .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.1), 3))
                        .optPrecision(scaled(HARMLESS.withGrowthInterval(1)))
                        .addObserver(Toy.onStep(steps::add))
                        .build()) {
            assertThat(trainer.train().lossScale()).isEqualTo(1024 * 16);
        }
        // Steps after every third batch, and at the end of an epoch of four.
        assertThat(steps)
                .extracting(StepReport::lossScale)
                .containsExactly(1024.0, 1024.0, 1024.0, 2048.0, 4096.0, 4096.0, 8192.0, 8192.0);
        Weights scaled = weights(accumulating().optPrecision(scaled(HARMLESS)));
        assertThat(scaled.largestDifference(weights(accumulating()))).isZero();
    }

    private DistributedTrainerBuilder accumulating() {
        return toy.builder().optSchedule(HyperparameterSchedule.of(LearningRate.constant(.1), 3));
    }

    /** Averages plainly, but hides from rank 0 what isn't finite: so only rank 1 can know. */
    private static CommunicationHook hiding(
            Communicator communicator, List<GradientBucket> buckets, NDManager manager) {
        return bucket -> {
            Work work =
                    communicator.allReduce(
                            bucket.buffer(),
                            ReduceOp.AVG,
                            ComputeStream.HOST,
                            "bucket " + bucket.index());
            return deadline -> {
                await(work, deadline);
                if (communicator.rank() == 0) {
                    var floats = bucket.buffer().bytes().asFloatBuffer();
                    for (int i = 0; i < bucket.tailOffset(); i++) {
                        floats.put(i, Float.isFinite(floats.get(i)) ? floats.get(i) : 0);
                    }
                }
            };
        };
    }

    private static void await(Work work, Duration deadline) {
        work.await(deadline);
    }

    @Test
    void ranksAgreeOnASkippedStepWhereGradientsAreCompressed() {
        Weights without = weights(fullBatch(7));
        Path file = folder.resolve("hook.safetensors");
        try (DistributedTrainer trainer =
                fullBatch(8)
                        .setLoss(rank -> Unlucky.on(rank, 1, Mishap.INFINITE_LOSS))
                        .optReduction(
                                Reduction.defaults().withCommunicationHook(LossScalingTest::hiding))
                        .optPrecision(scaled(HARMLESS))
                        .build()) {
            TrainingReport report = trainer.train();
            trainer.exportWeights(file);
            assertThat(report.skippedSteps()).isEqualTo(1);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
        assertThat(Weights.read(file).largestDifference(without)).isZero();
    }

    /** What must be as it was before a skipped step: the state of hooks and shards too. */
    private static Stream<Arguments> reductions() {
        Reduction plain = Reduction.defaults();
        PowerSgd powerSgd = PowerSgd.defaults().withStartStep(2).withMinCompressionRate(1);
        return Stream.of(
                Arguments.of("float16 hook", hook(CommunicationHooks.float16()), 1, 1e-4),
                Arguments.of("bfloat16 hook", hook(CommunicationHooks.bfloat16()), 1, 1e-4),
                Arguments.of("PowerSGD", hook(CommunicationHooks.powerSgd(powerSgd)), 1, 1e-4),
                Arguments.of(
                        "PowerSGD and accumulation",
                        hook(CommunicationHooks.powerSgd(powerSgd)),
                        2,
                        1e-4),
                Arguments.of("shards", plain.withShardOptimizerState(true), 1, 0),
                Arguments.of("shards, accumulation", plain.withShardOptimizerState(true), 2, 0),
                Arguments.of("accumulation", plain, 2, 0));
    }

    private static Reduction hook(CommunicationHook.Factory factory) {
        return Reduction.defaults().withCommunicationHook(factory);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("reductions")
    void aSkippedStepLeavesNoTrace(
            String name, Reduction reduction, int accumulate, double tolerance) {
        int batches = accumulate;
        Weights without = weights(reduced(reduction, batches, BAD_STEP + 4));
        Path file = folder.resolve("skipped.safetensors");
        try (DistributedTrainer trainer =
                reduced(reduction, batches, BAD_STEP + 5)
                        .setLoss(rank -> Unlucky.on(rank, 1, Mishap.GRADIENT_ONLY))
                        .build()) {
            TrainingReport report = trainer.train();
            trainer.exportWeights(file);
            assertThat(report.skippedSteps()).isEqualTo(1);
            assertThat(report.lossScale()).isEqualTo(512);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
        assertThat(Weights.read(file).largestDifference(without)).isLessThanOrEqualTo(tolerance);
        Weights control = weights(reduced(reduction, batches, BAD_STEP + 5));
        assertThat(control.largestDifference(without)).isGreaterThan(FAR);
    }

    /** One step an epoch. */
    private DistributedTrainerBuilder reduced(Reduction reduction, int batches, int epochs) {
        return fullBatch(epochs)
                .setBatchSize(Toy.SAMPLES / batches)
                .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.1), batches))
                .optClipNorm(2)
                .optReduction(reduction)
                .optPrecision(scaled(HARMLESS.withGrowthInterval(100)));
    }

    @Test
    void aLossThatIsNeverFiniteEndsTheTraining() {
        TrainingLoss never =
                new TrainingLoss() {
                    @Override
                    public List<String> terms() {
                        return List.of("loss");
                    }

                    @Override
                    public LossValue evaluate(NDList labels, NDList predictions) {
                        NDArray total = predictions.head().sum().div(0);
                        return new LossValue(total, total.stopGradient().reshape(1));
                    }
                };
        try (DistributedTrainer trainer =
                fullBatch(8)
                        .setLoss(rank -> never)
                        .optPrecision(scaled(HARMLESS.withInitialScale(0x1p-124)))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(LossScaleException.class)
                    .hasMessageStartingWith("gradients aren't finite even with the loss scaled");
        }
    }

    @Test
    void float16LearnsNearlyWhatFloat32Does() {
        Weights full = weights(fullBatch(8));
        Path file = folder.resolve("float16.safetensors");
        try (DistributedTrainer trainer = fullBatch(8).optPrecision(Precision.float16()).build()) {
            TrainingReport report = trainer.train();
            trainer.exportWeights(file);
            assertThat(report.skippedSteps()).isZero();
            assertThat(report.lossScale()).isEqualTo(65536);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
        assertThat(Weights.read(file).largestDifference(full)).isBetween(1e-7, 2e-3);
    }

    /** Gradients of 1e-8 are below what float16 can hold, so they need the scale. */
    @Test
    void withoutTheScaleSmallGradientsAreLostInFloat16() {
        Weights start = weights(small().optLearningRate(LearningRate.constant(0)));
        Weights full = weights(small());
        double moved = full.largestDifference(start);
        assertThat(moved).isGreaterThan(FAR);
        Weights scaled = weights(small().optPrecision(Precision.float16()));
        assertThat(scaled.largestDifference(full)).isLessThan(.05 * moved);
        Weights unscaled = weights(small().optPrecision(Precision.float16().withoutLossScaling()));
        assertThat(unscaled.largestDifference(full)).isGreaterThan(.3 * moved);
    }

    private DistributedTrainerBuilder small() {
        return fullBatch(8)
                .optLearningRate(LearningRate.constant(1e6))
                .setLoss(
                        rank -> {
                            TrainingLoss loss = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
                            return new TrainingLoss() {
                                @Override
                                public List<String> terms() {
                                    return loss.terms();
                                }

                                @Override
                                public LossValue evaluate(NDList labels, NDList predictions) {
                                    LossValue value = loss.evaluate(labels, predictions);
                                    return new LossValue(value.total().mul(1e-7), value.terms());
                                }
                            };
                        });
    }
}
