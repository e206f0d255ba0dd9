package org.yoloddp.examples;

import java.nio.file.Path;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.report.RunFolder;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.schedule.Span;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.yolo.YoloV5;

/** Trains a YOLOv5 on a data.yaml, for a number of epochs. */
public final class TrainDetector {

    private TrainDetector() {}

    /**
     * Trains.
     *
     * @param arguments the data.yaml, the number of epochs, and a folder for the results
     */
    public static void main(String[] arguments) {
        DetectionDataset data = DetectionDataset.load(Path.of(arguments[0]));
        Path folder = Path.of(arguments[2]);
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(YoloV5.task("yolov5n", data).optImageSize(320).build())
                        .setEpochs(Integer.parseInt(arguments[1]))
                        .setBatchSize(16) // over all ranks
                        .optWorld(World.threads(2))
                        .optOptimizer(OptimizerSpec.sgd().momentum(0.937).nesterov())
                        .optLearningRate(
                                LearningRate.cosineAnnealing(0.01, 1e-4)
                                        .withLinearWarmup(Span.epochs(3)))
                        .addObserver(RunFolder.at(folder))
                        .build()) {
            TrainingReport report = trainer.train();
            System.out.println("mAP50 " + report.best("mAP50"));
            trainer.exportWeights(folder.resolve("yolov5n.safetensors"));
        }
    }
}
