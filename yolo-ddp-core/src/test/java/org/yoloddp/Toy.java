package org.yoloddp;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.loss.Loss;
import java.util.Random;
import java.util.function.Consumer;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;

/** A small training that takes milliseconds: two classes of points, told apart by a small net. */
final class Toy implements AutoCloseable {

    static final int SAMPLES = 48;
    static final int BATCH = 12;

    private final NDManager manager = NDManager.newBaseManager();
    final ArrayDataset points;

    Toy() {
        Random random = new Random(7);
        float[] xs = new float[SAMPLES * 2];
        int[] classes = new int[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) {
            double angle = random.nextDouble() * 2 * Math.PI;
            classes[i] = i % 2;
            double radius = 1 + classes[i] + .1 * random.nextGaussian();
            xs[2 * i] = (float) (radius * Math.cos(angle));
            xs[2 * i + 1] = (float) (radius * Math.sin(angle));
        }
        points =
                new ArrayDataset.Builder()
                        .setData(manager.create(xs, new Shape(SAMPLES, 2)))
                        .optLabels(manager.create(classes, new Shape(SAMPLES, 1)))
                        .setSampling(1, false)
                        .build();
    }

    static Block net() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(16).build())
                .add(Activation.reluBlock())
                .add(Linear.builder().setUnits(2).build());
    }

    /** Four steps an epoch. */
    DistributedTrainerBuilder builder() {
        return DistributedTrainer.builder()
                .setBlock(rank -> net())
                .setDataset(points)
                .setLoss(Loss.softmaxCrossEntropyLoss())
                .setEpochs(3)
                .setBatchSize(BATCH)
                .optLearningRate(LearningRate.constant(.1))
                .optThreadsPerRank(1)
                .optWorld(World.threads(2));
    }

    static TrainingObserver onStep(Consumer<StepReport> action) {
        return new TrainingObserver() {
            @Override
            public void onStep(StepReport report) {
                action.accept(report);
            }
        };
    }

    @Override
    public void close() {
        manager.close();
    }
}
