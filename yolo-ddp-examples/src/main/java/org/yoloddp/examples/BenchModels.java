package org.yoloddp.examples;

import java.util.List;
import java.util.Locale;
import org.yoloddp.train.TrainingTask;
import picocli.CommandLine.Option;

/** What benchmarks with several ranks train; each rank has one batch, again and again. */
final class BenchModels {

    static final String MLP = "mlp";

    @Option(
            names = "--models",
            split = ",",
            defaultValue = "yolov5n,mlp",
            description =
                    "yolov5n, s, m, l or x, and mlp: linear layers of 25 MB on a batch that takes"
                            + " some 30 ms, most of which is communication.")
    List<String> models = List.of();

    @Option(names = "--imgsz", defaultValue = "320", description = "Width and height of images.")
    int imageSize;

    @Option(names = "--batch", defaultValue = "8", description = "Images of a rank's step.")
    int batch;

    @Option(names = "--mlp-width", defaultValue = "1024", description = "Units of each layer.")
    int mlpWidth;

    @Option(names = "--mlp-layers", defaultValue = "6", description = "Linear layers.")
    int mlpLayers;

    @Option(names = "--mlp-batch", defaultValue = "64", description = "Samples of a rank's step.")
    int mlpBatch;

    TrainingTask task(String model) {
        return model.equals(MLP)
                ? new MlpTask(mlpWidth, mlpLayers, mlpBatch, 1)
                : BenchTasks.yolo(model, imageSize, batch, 1);
    }

    /** What the task is, for the report. */
    String describe(String model) {
        return model.equals(MLP)
                ? String.format(
                        Locale.ROOT,
                        "mlp of %.1f MB, batch %d",
                        new MlpTask(mlpWidth, mlpLayers, mlpBatch, 1).gradientBytes() / 1e6,
                        mlpBatch)
                : model + ", " + imageSize + " px, batch " + batch;
    }

    /** The options that make another process of ours train the same. */
    List<String> options(String model) {
        return List.of(
                "--models=" + model,
                "--imgsz=" + imageSize,
                "--batch=" + batch,
                "--mlp-width=" + mlpWidth,
                "--mlp-layers=" + mlpLayers,
                "--mlp-batch=" + mlpBatch);
    }

    /** The same task for python/rival_ranks.py. */
    List<String> rivalOptions(String model) {
        return List.of(
                "--model=" + model,
                "--imgsz=" + imageSize,
                "--batch=" + (model.equals(MLP) ? mlpBatch : batch),
                "--boxes=" + BenchTasks.BOXES,
                "--mlp-width=" + mlpWidth,
                "--mlp-layers=" + mlpLayers);
    }
}
