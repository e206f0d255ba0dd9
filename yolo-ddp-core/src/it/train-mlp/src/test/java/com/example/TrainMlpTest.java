package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.loss.Loss;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.TrainingReport;

/** What a user writes who has the library on the class path, and nothing else. */
class TrainMlpTest {

    @TempDir private Path folder;

    @Test
    void threeRanksLearnOneMlp() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager();
                DistributedTrainer trainer =
                        DistributedTrainer.builder()
                                .setBlock(rank -> mlp())
                                .setDataset(dataset(manager))
                                .setLoss(Loss.softmaxCrossEntropyLoss())
                                .setEpochs(4)
                                .setBatchSize(30)
                                .optWorld(World.threads(3))
                                .build()) {
            TrainingReport report = trainer.train();

            assertEquals(TrainingReport.Outcome.COMPLETED, report.outcome());
            assertEquals(3, report.worldSize());
            assertEquals(4 * 10, report.steps());
            assertEquals(1, Set.copyOf(report.parametersSha256()).size(), "ranks agree");
            double first = report.epochs().get(0).losses().get("loss");
            double last = report.lastEpoch().losses().get("loss");
            assertTrue(last < first, "loss " + first + " before, " + last + " after");

            Path weights = folder.resolve("mlp.safetensors");
            trainer.exportWeights(weights);
            assertTrue(Files.isRegularFile(weights));
        }
    }

    private static Block mlp() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(16).build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(2).build());
    }

    private static ArrayDataset dataset(NDManager manager) {
        NDArray points = manager.randomUniform(-1, 1, new Shape(300, 2));
        NDArray labels = points.sum(new int[] {1}).gt(0).toType(DataType.INT64, false);
        return new ArrayDataset.Builder()
                .setData(points)
                .optLabels(labels)
                .setSampling(30, false)
                .build();
    }
}
