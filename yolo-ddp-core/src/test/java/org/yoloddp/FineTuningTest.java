package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.schedule.YoloV5Schedule;
import org.yoloddp.testing.SharedFiles;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.yolo.YoloV5;

/** YOLOv5 itself, without mosaic, scale and translation, reaches mAP50 .835 and mAP50-95 .511. */
@Tag("acceptance")
class FineTuningTest {

    private static final int BATCH = 16;

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    void theOfficialWeightsLearnToFindBloodCells(int ranks) {
        Path data = SharedFiles.require("data/bccd/data.yaml");
        Path weights = SharedFiles.requireWeights("yolov5n-coco-v7.0.pt");
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(
                                YoloV5.task("yolov5n", DetectionDataset.load(data))
                                        .optImageSize(320)
                                        .optWeights(weights)
                                        .build())
                        .setEpochs(30)
                        .setBatchSize(BATCH)
                        .optWorld(World.threads(ranks))
                        .optOptimizer(
                                OptimizerSpec.sgd()
                                        .momentum(.937)
                                        .nesterov()
                                        .weightDecay(YoloV5Schedule.scaledWeightDecay(5e-4, BATCH)))
                        .optSchedule(YoloV5Schedule.forBatchSize(BATCH))
                        .optClipNorm(10)
                        .optWeightAverage(.9999)
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.best("mAP50")).isGreaterThanOrEqualTo(.8);
            assertThat(report.best("mAP50-95")).isGreaterThanOrEqualTo(.45);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
        }
    }
}
