package org.yoloddp.natives;

import java.nio.file.Path;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.yolo.YoloV5;

/** Trains a yolov5s for two steps; its tensors need far more memory than the Java heap. */
final class SmallHeapTraining {

    private SmallHeapTraining() {}

    public static void main(String[] arguments) {
        Path yaml = SyntheticShapes.write(Path.of(arguments[0]), 16, 2, 320, 1);
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(
                                YoloV5.task("yolov5s", DetectionDataset.load(yaml))
                                        .optImageSize(320)
                                        .build())
                        .setEpochs(1)
                        .setBatchSize(8)
                        .optWorld(World.threads(1))
                        .optOptimizer(OptimizerSpec.sgd().momentum(0.937).nesterov())
                        .optLearningRate(LearningRate.constant(0.01))
                        .build()) {
            TrainingReport report = trainer.train();
            System.out.println("steps=" + report.steps());
        }
    }
}
