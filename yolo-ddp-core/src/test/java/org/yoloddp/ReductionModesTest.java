package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.loss.Loss;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.amp.GradScaler;
import org.yoloddp.amp.Precision;
import org.yoloddp.ddp.CommunicationHook;
import org.yoloddp.ddp.CommunicationHooks;
import org.yoloddp.ddp.GradientBucket;
import org.yoloddp.ddp.PowerSgd;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.Metric;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingReport;

/** Whole trainings with compressed gradients and with a divided optimizer state. */
@Tag("torch")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class ReductionModesTest {

    private static final int BAD_STEP = 3;
    private static final double FAR = 1e-3;

    /** The toy's matrices are small: 32 numbers for 18. */
    private static final PowerSgd FOR_TOY =
            PowerSgd.defaults().withStartStep(1).withMinCompressionRate(1.5);

    private static final GradScaler.Options SCALING =
            GradScaler.Options.defaults().withInitialScale(1024).withGrowthInterval(100);

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

    /** How gradients are reduced, and how many batches make a step. */
    private enum Mode {
        POWER_SGD(hook(CommunicationHooks.powerSgd(FOR_TOY)), 1, 0),
        // The halves of gradients that are scaled by less keep less of the smallest.
        FLOAT16(hook(CommunicationHooks.float16()), 1, 1e-6),
        BFLOAT16(hook(CommunicationHooks.bfloat16()), 1, 0),
        SHARDED(Reduction.defaults().withShardOptimizerState(true), 1, 0),
        ACCUMULATING(Reduction.defaults(), 2, 0),
        ALL(hook(CommunicationHooks.powerSgd(FOR_TOY)).withShardOptimizerState(true), 2, 0);

        final Reduction reduction;
        final int batches;
        final double tolerance;

        Mode(Reduction reduction, int batches, double tolerance) {
            this.reduction = reduction.withVerifyEvery(1);
            this.batches = batches;
            this.tolerance = tolerance;
        }
    }

    private static Reduction hook(CommunicationHook.Factory factory) {
        return Reduction.defaults().withCommunicationHook(factory);
    }

    /** Each epoch is one step over all samples, so that a skipped step is an epoch less. */
    private DistributedTrainerBuilder fullBatch(Mode mode, int epochs) {
        return toy.builder()
                .setEpochs(epochs)
                .setBatchSize(Toy.SAMPLES / mode.batches)
                .optSampler(IndexSampler.sequential())
                .optOptimizer(OptimizerSpec.adamW())
                .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.02), mode.batches))
                .optPrecision(Precision.float32().withLossScaling(SCALING))
                .optReduction(mode.reduction)
                .optClipNorm(1);
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void aStepThatIsInfiniteOnOneRankNeverWas(Mode mode) {
        Weights without = Weights.of(fullBatch(mode, 7), folder);
        assertThat(Weights.of(fullBatch(mode, 8), folder).largestDifference(without))
                .isGreaterThan(FAR);
        List<StepReport> steps = new ArrayList<>();
        Path file = folder.resolve("skipped.safetensors");
        try (DistributedTrainer trainer =
                fullBatch(mode, 8)
                        .setLoss(rank -> infiniteAt(rank.rank() == 1 ? badBatch(mode) : -1))
                        .addObserver(Toy.onStep(steps::add))
                        .build()) {
            TrainingReport report = trainer.train();
            trainer.exportWeights(file);
            assertThat(report.skippedSteps()).isEqualTo(1);
            assertThat(report.lossScale()).isEqualTo(512);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
        assertThat(steps.stream().filter(StepReport::skipped)).hasSize(1);
        assertThat(Weights.read(file).largestDifference(without))
                .isLessThanOrEqualTo(mode.tolerance);
    }

    /** The first batch of the bad step. */
    private static int badBatch(Mode mode) {
        return BAD_STEP * mode.batches;
    }

    private static TrainingLoss infiniteAt(int batch) {
        TrainingLoss loss = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        int[] calls = new int[1];
        return new TrainingLoss() {
            @Override
            public List<String> terms() {
                return loss.terms();
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                LossValue value = loss.evaluate(labels, predictions);
                if (calls[0]++ != batch) {
                    return value;
                }
                NDArray infinite = value.total().div(0);
                return new LossValue(infinite, infinite.stopGradient().reshape(1));
            }
        };
    }

    /** The hook of PowerSGD, but never told that a step was skipped. */
    @Test
    void anInfinityThatAHookKeepsEndsTheTraining() {
        CommunicationHook.Factory kept =
                (communicator, buckets, manager) -> {
                    CommunicationHook hook =
                            CommunicationHooks.powerSgd(FOR_TOY)
                                    .create(communicator, buckets, manager);
                    return new CommunicationHook() {
                        @Override
                        public Pending start(GradientBucket bucket) {
                            return hook.start(bucket);
                        }

                        @Override
                        public void close() {
                            hook.close();
                        }
                    };
                };
        try (DistributedTrainer trainer =
                fullBatch(Mode.POWER_SGD, 8)
                        .setLoss(rank -> infiniteAt(rank.rank() == 1 ? BAD_STEP : -1))
                        .optReduction(hook(kept))
                        .build()) {
            assertThat(trainer.train().skippedSteps()).isEqualTo(8 - BAD_STEP);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void aDividedOptimizerStateChangesNoBit(int ranks) {
        for (OptimizerSpec spec :
                List.of(
                        OptimizerSpec.sgd().momentum(.9).nesterov().weightDecay(1e-3),
                        OptimizerSpec.adamW())) {
            Weights whole = Weights.of(averaging(ranks, spec, false), folder);
            Weights divided = Weights.of(averaging(ranks, spec, true), folder);
            assertThat(divided.largestDifference(whole)).isZero();
        }
    }

    private DistributedTrainerBuilder averaging(int ranks, OptimizerSpec spec, boolean sharded) {
        return toy.builder()
                .optWorld(World.threads(ranks))
                .optOptimizer(spec)
                .optLearningRate(LearningRate.constant(.01))
                .optWeightAverage(.9)
                .optClipNorm(.5)
                .optReduction(Reduction.defaults().withShardOptimizerState(sharded));
    }

    @ParameterizedTest
    @EnumSource(
            value = Mode.class,
            names = {"POWER_SGD", "FLOAT16", "BFLOAT16"})
    void learnsFromCompressedGradients(Mode mode) {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(60)
                        .optReduction(mode.reduction)
                        .optValidationDataset(toy.points)
                        .addMetric(Metric.of(new Accuracy()))
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.best("Accuracy")).isGreaterThan(.9);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
        Weights compressed = Weights.of(toy.builder().optReduction(mode.reduction), folder);
        Weights whole = Weights.of(toy.builder(), folder);
        assertThat(compressed.largestDifference(whole)).isGreaterThan(0);
    }
}
