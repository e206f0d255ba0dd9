package org.yoloddp;

import static java.lang.Double.NaN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.loss.Loss;
import ai.djl.training.tracker.Tracker;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.Hyperparameters;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.WeightsView;

/** What options of the trainer do to the numbers. */
@Tag("torch")
class TrainerNumbersTest {

    private static final double EQUAL = 1e-6;
    private static final double FAR = 1e-3;

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

    /** Each epoch is one step over all samples. */
    private DistributedTrainerBuilder fullBatch() {
        return toy.builder()
                .setEpochs(8)
                .setBatchSize(Toy.SAMPLES)
                .optSampler(IndexSampler.sequential())
                .optWorld(World.threads(1));
    }

    private Weights weights(DistributedTrainerBuilder builder) {
        return Weights.of(builder, folder);
    }

    @Test
    void theNumberOfRanksDoesNotChangeTheResult() {
        Weights one = weights(fullBatch());
        for (int ranks = 2; ranks <= 3; ranks++) {
            Weights more = weights(fullBatch().optWorld(World.threads(ranks)));
            assertThat(more.largestDifference(one)).isLessThan(EQUAL);
        }
        Weights control = weights(fullBatch().optLearningRate(LearningRate.constant(.11)));
        assertThat(control.largestDifference(one)).isGreaterThan(FAR);
    }

    @Test
    void accumulatedBatchesAreOneLargeBatch() {
        Weights whole = weights(fullBatch());
        for (int ranks = 1; ranks <= 2; ranks++) {
            Weights halves =
                    weights(
                            accumulating(2)
                                    .setBatchSize(Toy.SAMPLES / 2)
                                    .setLoss(rank -> scaled(.5))
                                    .optWorld(World.threads(ranks)));
            assertThat(halves.largestDifference(whole)).isLessThan(EQUAL);
        }
        Weights control =
                weights(accumulating(1).setBatchSize(Toy.SAMPLES / 2).setLoss(rank -> scaled(.5)));
        assertThat(control.largestDifference(whole)).isGreaterThan(FAR / 10);
    }

    @Test
    void whatIsAccumulatedAtTheEndOfAnEpochIsApplied() {
        Weights whole = weights(fullBatch());
        Weights thirds =
                weights(
                        accumulating(4)
                                .setBatchSize(Toy.SAMPLES / 3)
                                .setLoss(rank -> scaled(1 / 3.0)));
        Weights untrained = weights(fullBatch().optLearningRate(LearningRate.constant(0)));
        // the fourth batch is the first one of the next epoch, unless each epoch ends its own
        assertThat(thirds.largestDifference(untrained)).isGreaterThan(FAR);
        Weights first = weights(fullBatch().setEpochs(1));
        Weights firstOfThirds =
                weights(
                        accumulating(4)
                                .setEpochs(1)
                                .setBatchSize(Toy.SAMPLES / 3)
                                .setLoss(rank -> scaled(1 / 3.0)));
        assertThat(firstOfThirds.largestDifference(first)).isLessThan(EQUAL);
        assertThat(whole.largestDifference(first)).isGreaterThan(FAR);
    }

    @Test
    void whatIsAccumulatedAtTheEndOfAnEpochIsDroppedOnRequestButCounted() {
        HyperparameterSchedule every4 = HyperparameterSchedule.of(LearningRate.constant(.1), 4);
        // Three batches an epoch. The only step comes after the first batch of the second epoch,
        // and is made from that batch alone.
        HyperparameterSchedule byHand =
                (plan, groups) ->
                        step -> new Hyperparameters(new double[] {step == 3 ? .1 : 0}, NaN, 1);
        for (int ranks = 1; ranks <= 2; ranks++) {
            World world = World.threads(ranks);
            Weights dropped = weights(thirds(every4.droppingRest()).optWorld(world));
            assertThat(dropped.largestDifference(weights(thirds(byHand)))).isLessThan(EQUAL);
            Weights applied = weights(thirds(every4).optWorld(world));
            assertThat(dropped.largestDifference(applied)).isGreaterThan(FAR);
        }
    }

    private DistributedTrainerBuilder thirds(HyperparameterSchedule schedule) {
        return fullBatch()
                .setEpochs(2)
                .setBatchSize(Toy.SAMPLES / 3)
                .optOptimizer(OptimizerSpec.sgd())
                .optSchedule(schedule);
    }

    private DistributedTrainerBuilder accumulating(int batches) {
        return fullBatch()
                .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.1), batches));
    }

    private static TrainingLoss scaled(double factor) {
        TrainingLoss whole = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        return new TrainingLoss() {
            @Override
            public List<String> terms() {
                return whole.terms();
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                LossValue value = whole.evaluate(labels, predictions);
                return new LossValue(value.total().mul(factor), value.terms());
            }
        };
    }

    @Test
    void mixedPrecisionStaysCloseAndEqualOnAllRanks() {
        Path file = folder.resolve("mixed.safetensors");
        Weights single = weights(fullBatch());
        try (DistributedTrainer trainer =
                fullBatch().optWorld(World.threads(2)).optAmp(true).build()) {
            TrainingReport report = trainer.train();
            trainer.exportWeights(file);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
            assertThat(report.parametersSha256()).hasSize(2);
        }
        assertThat(Weights.read(file).largestDifference(single)).isBetween(1e-6, 2e-2);
    }

    @Test
    void theWeightAverageIsWhatIsExported() {
        List<Weights> steps = new ArrayList<>();
        steps.add(weights(averaged(0).optLearningRate(LearningRate.constant(0))));
        Weights last = weights(averaged(0).addObserver(afterEachEpoch(steps)));
        assertThat(steps).hasSize(41);
        Weights average = weights(averaged(.9));
        assertThat(average.largestDifference(last)).isGreaterThan(FAR / 10);
        assertThat(average.largestDifference(averageByHand(steps, .9))).isLessThan(EQUAL);
        assertThat(weights(averaged(.9).optWorld(World.threads(2))).largestDifference(average))
                .isLessThan(1e-5);
    }

    private DistributedTrainerBuilder averaged(double decay) {
        return fullBatch()
                .setEpochs(40)
                .optLearningRate(LearningRate.constant(.5))
                .optWeightAverage(decay);
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

    private static Weights averageByHand(List<Weights> steps, double decay) {
        Weights average = steps.get(0);
        for (int n = 1; n < steps.size(); n++) {
            double d = decay * (1 - Math.exp(-n / 2000.0));
            Weights now = steps.get(n);
            average.arrays()
                    .forEach(
                            (name, values) -> {
                                float[] next = now.arrays().get(name);
                                for (int i = 0; i < values.length; i++) {
                                    values[i] = (float) (d * values[i] + (1 - d) * next[i]);
                                }
                            });
        }
        return average;
    }

    @Test
    void learningRatesOfDjlAreUsed() {
        Tracker tracker =
                Tracker.factor().setBaseValue(.1f).setFactor(.5f).optMaxUpdates(100).build();
        Tracker same = Tracker.factor().setBaseValue(.1f).setFactor(.5f).optMaxUpdates(100).build();
        List<Double> rates = new ArrayList<>();
        try (DistributedTrainer trainer =
                toy.builder()
                        .optLearningRate(LearningRate.of(tracker))
                        .addObserver(Toy.onStep(step -> rates.add(step.learningRates()[0])))
                        .build()) {
            trainer.train();
        }
        assertThat(rates).hasSize(12);
        for (int i = 0; i < rates.size(); i++) {
            assertThat(rates.get(i)).isEqualTo(same.getNewValue(i + 1));
        }
        assertThat(rates.get(11)).isLessThan(rates.get(0));
    }

    @Test
    void oneCycleNeedsAnOptimizerWithMomentum() {
        DistributedTrainerBuilder builder =
                toy.builder().optLearningRate(LearningRate.oneCycle(.1));
        try (DistributedTrainer without = builder.optOptimizer(OptimizerSpec.sgd()).build()) {
            assertThatThrownBy(without::train)
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "momentum 0.95 asked for at a step, but the optimizer was specified"
                                    + " without; specify the final one, as in"
                                    + " sgd().momentum(0.937)");
        }
        try (DistributedTrainer with =
                builder.optOptimizer(OptimizerSpec.sgd().momentum(.9)).build()) {
            assertThat(with.train().outcome()).isEqualTo(TrainingReport.Outcome.COMPLETED);
        }
    }

    @Test
    void theMemoryLayoutDoesNotChangeTheResult() {
        try (NDManager manager = NDManager.newBaseManager()) {
            ArrayDataset images = images(manager);
            Weights last = weights(convolutional(images, 3).optChannelsLast(true));
            Weights first = weights(convolutional(images, 3).optChannelsLast(false));
            assertThat(first.largestDifference(last)).isLessThan(1e-5);
            Weights control = weights(convolutional(images, 4).optChannelsLast(false));
            assertThat(control.largestDifference(last)).isGreaterThan(FAR);
        }
    }

    private DistributedTrainerBuilder convolutional(ArrayDataset images, int epochs) {
        return toy.builder()
                .setDataset(images)
                .setBlock(rank -> convolutions())
                .setEpochs(epochs)
                .setBatchSize(8);
    }

    private static Block convolutions() {
        return new SequentialBlock()
                .add(
                        Conv2d.builder()
                                .setKernelShape(new Shape(3, 3))
                                .setFilters(8)
                                .optPadding(new Shape(1, 1))
                                .build())
                .add(BatchNorm.builder().build())
                .add(Activation.reluBlock())
                .add(
                        Conv2d.builder()
                                .setKernelShape(new Shape(3, 3))
                                .setFilters(4)
                                .optStride(new Shape(2, 2))
                                .build())
                .add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(2).build());
    }

    private static ArrayDataset images(NDManager manager) {
        Random random = new Random(3);
        int samples = 16;
        float[] pixels = new float[samples * 3 * 64];
        int[] classes = new int[samples];
        for (int i = 0; i < pixels.length; i++) {
            int sample = i / (3 * 64);
            classes[sample] = sample % 2;
            pixels[i] = random.nextFloat() + .3f * classes[sample];
        }
        return new ArrayDataset.Builder()
                .setData(manager.create(pixels, new Shape(samples, 3, 8, 8)))
                .optLabels(manager.create(classes, new Shape(samples, 1)))
                .setSampling(1, false)
                .build();
    }
}
