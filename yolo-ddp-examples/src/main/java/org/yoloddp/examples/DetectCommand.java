package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.yoloddp.detection.Detection;
import org.yoloddp.detection.NonMaxSuppression;
import org.yoloddp.detection.PixelImage;
import org.yoloddp.yolo.YoloV5Detector;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp detect}. */
@Command(
        name = "detect",
        description = "Draws what trained weights detect on images.",
        sortOptions = false,
        showDefaultValues = true)
final class DetectCommand implements Callable<Integer> {

    private final Console console;

    @Option(
            names = "--weights",
            required = true,
            description = "YOLOv5's .pt, or .safetensors of a run folder.")
    private Path weights = Path.of("");

    @Option(names = "--source", required = true, description = "An image, or a folder of images.")
    private Path source = Path.of("");

    @Option(
            names = {"--imgsz", "--img", "--img-size"},
            defaultValue = "640",
            description = "Longer side of the network's input.")
    private int imageSize;

    @Option(names = "--conf-thres", defaultValue = "0.25", description = "Least confidence.")
    private double confidence;

    @Option(names = "--iou-thres", defaultValue = "0.45", description = "Overlap that suppresses.")
    private double iou;

    @Option(names = "--max-det", defaultValue = "1000", description = "Most boxes of an image.")
    private int mostDetections;

    @Option(
            names = "--classes",
            arity = "1..*",
            split = ",",
            description = "Indices of the classes to look for; all if not given.")
    private int @Nullable [] classes;

    @Option(names = "--agnostic-nms", description = "Suppress over the borders of classes.")
    private boolean agnostic;

    @Option(names = "--save-txt", description = "Write labels/NAME.txt in YOLO format too.")
    private boolean saveText;

    @Option(names = "--save-conf", description = "With the confidence in them.")
    private boolean saveConfidence;

    @Option(
            names = "--project",
            defaultValue = "runs/detect",
            description = "Folder that holds the run folders.")
    private Path project = Path.of("");

    @Option(names = "--name", defaultValue = "exp", description = "Name of the run folder.")
    private String name = "";

    @Option(
            names = "--exist-ok",
            description = "Use the run folder again instead of taking the next number.")
    private boolean existOk;

    DetectCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        List<Path> images = ImageSource.list(source);
        NonMaxSuppression suppression =
                NonMaxSuppression.forDetection()
                        .withConfidence(confidence)
                        .withIou(iou)
                        .withMaxDetections(mostDetections)
                        .withAgnostic(agnostic);
        if (classes != null) {
            suppression = suppression.withClasses(classes);
        }
        try (YoloV5Detector detector =
                YoloV5Detector.builder()
                        .setWeights(weights)
                        .optImageSize(imageSize)
                        .optSuppression(suppression)
                        .build()) {
            Path folder = Folders.next(project, name, existOk);
            Pictures pictures = new Pictures(folder, detector.names());
            for (Path image : images) {
                long start = System.nanoTime();
                List<Detection> found = detector.detect(image);
                double millis = (System.nanoTime() - start) / 1e6;
                PixelImage drawn = pictures.write(image, new float[0][], found);
                if (saveText) {
                    pictures.writeLabels(image, drawn, found, saveConfidence);
                }
                console.printf("%s: %s, %.1f ms", image, pictures.count(found), millis);
            }
            console.print("results in " + folder);
        }
        return ExitCode.DONE;
    }
}
