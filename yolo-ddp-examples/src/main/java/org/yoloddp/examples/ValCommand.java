package org.yoloddp.examples;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.DetectionMetrics;
import org.yoloddp.detection.DetectionSplit;
import org.yoloddp.detection.DetectionValidation;
import org.yoloddp.detection.NonMaxSuppression;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Loading;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.ValidationContext;
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
        try (YoloV5Detector detector =
                YoloV5Detector.builder().setWeights(weights).optImageSize(imageSize).build()) {
            requireSameClasses(dataset.classNames(), detector.names());
            NonMaxSuppression suppression =
                    NonMaxSuppression.forValidation()
                            .withConfidence(confidence)
                            .withIou(iou)
                            .withMaxDetections(mostDetections);
            DetectionMetrics metrics = validate(detector, dataset.split(part), suppression);
            ClassTable.lines(metrics).forEach(console::print);
        }
        return ExitCode.DONE;
    }

    /** The same validation as during a training, by a single rank. */
    private DetectionMetrics validate(
            YoloV5Detector detector, DetectionSplit split, NonMaxSuppression suppression) {
        int stride = Arrays.stream(detector.block().strides()).max().orElseThrow();
        Deadlines deadlines = Deadlines.defaults();
        try (Communicator alone = InProcessCommunicator.group(1, deadlines.collective()).get(0);
                NDManager manager = NDManager.newBaseManager(Device.cpu())) {
            int threads = TorchRuntime.threads();
            RankContext rank =
                    new RankContext(
                            0, 1, 0, 1, Device.cpu(), threads, 0, alone, manager, deadlines);
            return DetectionValidation.builder()
                    .setSplit(split)
                    .setDecoder(NDList::head)
                    .optImageSize(imageSize)
                    .optStride(stride)
                    .optSuppression(suppression)
                    .build()
                    .metrics(
                            new ValidationContext(
                                    rank, detector::predict, batchSize, Loading.defaults()));
        }
    }

    private void requireSameClasses(List<String> ofData, List<String> ofWeights) {
        if (ofData.size() != ofWeights.size()) {
            throw new ConfigurationException(
                    data
                            + " has the classes "
                            + ofData
                            + ", but "
                            + weights
                            + " was trained for "
                            + ofWeights);
        }
    }
}
