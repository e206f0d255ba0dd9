package org.yoloddp.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.DistributedTrainerBuilder;
import org.yoloddp.World;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.TrainingTask;
import org.yoloddp.yolo.YoloV5;

/** What the benchmarks train, and how: as YOLOv5 does by default. */
final class BenchTasks {

    /** Boxes of one image. */
    static final int BOXES = 8;

    static final double LEARNING_RATE = 0.01;
    static final double MOMENTUM = 0.937;
    static final double WEIGHT_DECAY = 0.0005;
    static final double CLIP_NORM = 10;
    static final double AVERAGE_DECAY = 0.9999;

    private static final int CLASSES = 80;

    private BenchTasks() {}

    /** A YOLOv5 on batches of noise with random boxes. */
    static TrainingTask yolo(String cfg, int imageSize, int batch, int batches) {
        return new BenchTask(
                YoloV5.task(cfg, dataset()).optImageSize(imageSize).build(),
                new SyntheticBatches(imageSize, batch, BOXES, CLASSES, batches));
    }

    /** A training of one epoch. */
    static DistributedTrainerBuilder trainer(TrainingTask task, int batch, int ranks) {
        return DistributedTrainer.builder()
                .setTask(task)
                .setEpochs(1)
                .setBatchSize(batch)
                .optWorld(World.threads(ranks))
                .optOptimizer(
                        OptimizerSpec.sgd().momentum(MOMENTUM).nesterov().weightDecay(WEIGHT_DECAY))
                .optLearningRate(LearningRate.constant(LEARNING_RATE))
                .optClipNorm(CLIP_NORM)
                .optWeightAverage(AVERAGE_DECAY);
    }

    /** What a task asks for: as many classes as the rival's model has. Its images aren't read. */
    private static DetectionDataset dataset() {
        try {
            Path folder = Files.createTempDirectory("yolo-ddp-bench");
            try {
                Path yaml = SyntheticShapes.write(folder, 1, 1, 32, 0);
                String names =
                        IntStream.range(0, CLASSES)
                                .mapToObj(i -> "class" + i)
                                .collect(Collectors.joining(", "));
                String text =
                        Files.readString(yaml).replaceAll("names:.*", "names: [" + names + "]");
                Files.write(yaml, text.getBytes(StandardCharsets.UTF_8));
                return DetectionDataset.load(yaml);
            } finally {
                Folders.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
