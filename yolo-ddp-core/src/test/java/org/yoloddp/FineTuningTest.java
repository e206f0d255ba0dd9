package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.amp.Precision;
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
    private static final int EPOCHS = 30;
    private static final int SEEDS = 3;

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    void theOfficialWeightsLearnToFindBloodCells(int ranks) {
        TrainingReport report = train(ranks, 0, Precision.float32(), EPOCHS);
        assertThat(report.best("mAP50")).isGreaterThanOrEqualTo(.8);
        assertThat(report.best("mAP50-95")).isGreaterThanOrEqualTo(.45);
    }

    /** Six trainings, so that the spread of the seeds does not decide. */
    @Test
    @Timeout(value = 90, unit = TimeUnit.MINUTES)
    void mixedPrecisionLearnsAsWell() {
        List<Double> full = new ArrayList<>();
        List<Double> mixed = new ArrayList<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            full.add(train(1, seed, Precision.float32(), EPOCHS).best("mAP50"));
            mixed.add(train(1, seed, Precision.bfloat16(), EPOCHS).best("mAP50"));
        }
        assertThat(mean(mixed))
                .as("mean of %s in bfloat16, of %s in float32", mixed, full)
                .isCloseTo(mean(full), within(.02));
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }

    static TrainingReport train(int ranks, long seed, Precision precision, int epochs) {
        Path data = SharedFiles.require("data/bccd/data.yaml");
        Path weights = SharedFiles.requireWeights("yolov5n-coco-v7.0.pt");
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(
                                YoloV5.task("yolov5n", DetectionDataset.load(data))
                                        .optImageSize(320)
                                        .optWeights(weights)
                                        .build())
                        .setEpochs(epochs)
                        .setBatchSize(BATCH)
                        .optSeed(seed)
                        .optPrecision(precision)
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
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
            return report;
        }
    }
}
