package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.yoloddp.detection.Detection;
import org.yoloddp.detection.DetectionSample;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.yolo.YoloV5Detector;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp quickstart}. */
@Command(
        name = "quickstart",
        description = {
            "Trains a yolov5n from scratch on the images of blood cells that come with the program, by"
                    + " two ranks in one JVM; takes less than four minutes on two cores.",
            "Prints the mean average precision by class, and writes pictures with true and detected"
                    + " boxes."
        })
final class QuickstartCommand implements Callable<Integer> {

    private static final int IMAGE_SIZE = 192;
    private static final int PICTURES = 8;

    private final Console console;

    @Option(
            names = "--project",
            defaultValue = "runs/quickstart",
            showDefaultValue = CommandLine.Help.Visibility.ALWAYS,
            description = "Folder that holds the run folders.")
    private Path project = Path.of("");

    QuickstartCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        TrainOptions options = options();
        console.print(
                String.join(
                        " ",
                        "This is: yolo-ddp train --data",
                        options.data,
                        "--cfg yolov5n --imgsz",
                        Integer.toString(IMAGE_SIZE),
                        "--epochs",
                        Integer.toString(options.epochs),
                        "--nproc",
                        Integer.toString(options.threads()),
                        "--project",
                        options.project.toString()));
        TrainJob.Result result = new TrainJob(options, console).run();
        if (result.exitCode() == ExitCode.DONE) {
            draw(result);
        }
        return result.exitCode();
    }

    private TrainOptions options() {
        Path data = Home.bundledData();
        if (!Files.isRegularFile(data)) {
            throw new ConfigurationException(
                    "the bundled images are not at "
                            + data
                            + "; start by bin/yolo-ddp of the folder that 'mvn -DskipTests package'"
                            + " makes");
        }
        TrainOptions options = new TrainOptions();
        options.data = data.toString();
        options.cfg = "yolov5n";
        options.imageSize = IMAGE_SIZE;
        options.epochs = 60;
        options.batchSize = 16;
        options.ranks = 2;
        options.project = project;
        options.name = "exp";
        return options;
    }

    private void draw(TrainJob.Result result) throws IOException {
        Path weights = result.folder().path().resolve("weights").resolve("best.safetensors");
        Path folder = Files.createDirectories(result.folder().path().resolve("pictures"));
        List<DetectionSample> samples = result.data().split("val").samples();
        try (YoloV5Detector detector =
                YoloV5Detector.builder().setWeights(weights).optImageSize(IMAGE_SIZE).build()) {
            Pictures pictures = new Pictures(folder, detector.names());
            for (DetectionSample sample : samples.subList(0, Math.min(PICTURES, samples.size()))) {
                List<Detection> found = detector.detect(sample.path());
                pictures.write(sample.path(), sample.labels(), found);
            }
        }
        console.print("pictures with true (white) and detected boxes in " + folder);
        console.print("the weights are " + weights);
        console.print(
                "try: yolo-ddp detect --weights "
                        + weights
                        + " --imgsz "
                        + IMAGE_SIZE
                        + " --source "
                        + Home.bundledData().resolveSibling("images").resolve("test"));
    }
}
