package org.yoloddp.examples;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.DetectionMetrics;
import org.yoloddp.detection.NonMaxSuppression;
import org.yoloddp.yolo.YoloV5Detector;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp val}. */
@Command(
        name = "val",
        description = "Compares what trained weights detect with labels.",
        sortOptions = false,
        showDefaultValues = true)
final class ValCommand implements Callable<Integer> {

    private final Console console;

    @Option(names = "--data", required = true, description = "data.yaml in YOLO format.")
    private Path data = Path.of("");

    @Option(
            names = "--weights",
            required = true,
            description = "YOLOv5's .pt, or .safetensors of a run folder.")
    private Path weights = Path.of("");

    @Option(
            names = "--task",
            defaultValue = "val",
            description = "The part of the data: train, val or test.")
    private String part = "";

    @Option(names = "--batch-size", defaultValue = "32", description = "Images of one batch.")
    private int batchSize;

    @Option(
            names = {"--imgsz", "--img", "--img-size"},
            defaultValue = "640",
            description = "Longer side of the network's input.")
    private int imageSize;

    @Option(names = "--conf-thres", defaultValue = "0.001", description = "Least confidence.")
    private double confidence;

    @Option(names = "--iou-thres", defaultValue = "0.6", description = "Overlap that suppresses.")
    private double iou;

    @Option(names = "--max-det", defaultValue = "300", description = "Most boxes of an image.")
    private int mostDetections;

    ValCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        DetectionDataset dataset = DetectionDataset.load(data);
        try (YoloV5Detector detector = YoloV5Detector.load(weights)) {
            DetectionMetrics metrics =
                    detector.validate(
                            dataset.split(part),
                            imageSize,
                            batchSize,
                            NonMaxSuppression.forValidation()
                                    .confidence(confidence)
                                    .iou(iou)
                                    .maxDetections(mostDetections));
            ClassTable.lines(metrics).forEach(console::print);
        }
        return ExitCode.DONE;
    }
}
