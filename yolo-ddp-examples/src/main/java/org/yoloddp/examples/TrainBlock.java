package org.yoloddp.examples;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Metric;
import org.yoloddp.train.TrainingReport;

/** Trains a plain block of DJL: by DJL's EasyTrain, and by three ranks. */
public final class TrainBlock {

    private static final int BATCH = 30;
    private static final int EPOCHS = 5;

    private TrainBlock() {}

    /**
     * Trains twice.
     *
     * @param arguments none
     * @throws IOException never, since the data is in memory
     * @throws TranslateException never, likewise
     */
    public static void main(String[] arguments) throws IOException, TranslateException {
        TorchRuntime.start(); // before the first use of DJL
        try (NDManager manager = NDManager.newBaseManager()) {
            ArrayDataset data = dataset(manager);
            System.out.println("EasyTrain: accuracy " + byEasyTrain(data));
            System.out.println("three ranks: accuracy " + byThreeRanks(data));
        }
    }

    static float byEasyTrain(ArrayDataset data) throws IOException, TranslateException {
        try (Model model = Model.newInstance("mlp")) {
            model.setBlock(mlp());
            DefaultTrainingConfig config =
                    new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
                            .optOptimizer(
                                    Optimizer.sgd()
                                            .setLearningRateTracker(Tracker.fixed(0.1f))
                                            .optMomentum(0.9f)
                                            .build())
                            .addEvaluator(new Accuracy())
                            .addTrainingListeners(TrainingListener.Defaults.basic());
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.initialize(new Shape(BATCH, 2));
                EasyTrain.fit(trainer, EPOCHS, data, data);
                return trainer.getTrainingResult().getValidateEvaluation("Accuracy");
            }
        }
    }

    static double byThreeRanks(ArrayDataset data) {
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setBlock(rank -> mlp())
                        .setDataset(data)
                        .setLoss(Loss.softmaxCrossEntropyLoss())
                        .setEpochs(EPOCHS)
                        .setBatchSize(BATCH) // over all ranks
                        .optWorld(World.threads(3))
                        .optOptimizer(OptimizerSpec.sgd().momentum(0.9))
                        .optLearningRate(LearningRate.constant(0.1))
                        .optValidationDataset(data)
                        .addMetric(Metric.of(new Accuracy()))
                        .build()) {
            TrainingReport report = trainer.train();
            return report.best("Accuracy");
        }
    }

    private static Block mlp() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(32).build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(2).build());
    }

    /** Points inside and outside of a circle. */
    private static ArrayDataset dataset(NDManager manager) {
        NDArray points = manager.randomUniform(-1, 1, new Shape(600, 2));
        NDArray inside = points.square().sum(new int[] {1}).lt(0.6).toType(DataType.INT64, false);
        return new ArrayDataset.Builder()
                .setData(points)
                .optLabels(inside)
                .setSampling(BATCH, true)
                .build();
    }
}
