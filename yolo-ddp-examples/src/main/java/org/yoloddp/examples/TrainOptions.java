package org.yoloddp.examples;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.yoloddp.DeviceChoice;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.report.Timeline;
import picocli.CommandLine.Option;

/** What {@code train} can be told; names and defaults are YOLOv5's where it has them. */
final class TrainOptions {

    /** YOLOv5's names of the optimizers. */
    enum Optimizer {
        /** With nesterov momentum. */
        SGD,
        /** Adam. */
        Adam,
        /** AdamW. */
        AdamW
    }

    @Option(
            names = "--data",
            required = true,
            description = "data.yaml of a data set in YOLO format, or 'shapes' for made-up images.")
    String data = "";

    @Option(
            names = "--cfg",
            defaultValue = "yolov5n",
            description = "yolov5n, yolov5s, yolov5m, yolov5l, yolov5x, or a model yaml.")
    String cfg = "";

    @Option(
            names = "--weights",
            description =
                    "Weights to start from: YOLOv5's .pt, or .safetensors; from scratch if not given.")
    @Nullable Path weights;

    @Option(
            names = "--hyp",
            description = "Hyperparameters by YOLOv5's names; the built-in ones if not given.")
    @Nullable Path hyp;

    @Option(names = "--epochs", defaultValue = "100", description = "Number of epochs.")
    int epochs;

    @Option(
            names = "--batch-size",
            defaultValue = "16",
            description = "Images of one batch, over all ranks.")
    int batchSize;

    @Option(
            names = {"--imgsz", "--img", "--img-size"},
            defaultValue = "640",
            description = "Width and height of the network's input.")
    int imageSize;

    @Option(
            names = "--nproc",
            description =
                    "Ranks, as threads of this JVM; by default 1, or one of those that SLURM, MPI"
                            + " or Kubernetes has started.")
    @Nullable Integer ranks;

    @Option(
            names = "--rdzv-endpoint",
            description =
                    "HOST:PORT where launched ranks meet, served by rank 0, if not where their"
                            + " launcher says.")
    @Nullable String endpoint;

    @Option(
            names = "--device",
            defaultValue = "",
            description =
                    "cpu, or GPUs such as 0 or 0,1: one rank on each; by default all GPUs that"
                            + " libtorch sees, else the CPU. A launched rank takes the one with its"
                            + " number.")
    String device = "";

    @Option(
            names = "--workers",
            defaultValue = "0",
            description = "Threads of each rank that load images; 0 shares the cores out.")
    int workers;

    @Option(
            names = "--optimizer",
            defaultValue = "SGD",
            description = "One of ${COMPLETION-CANDIDATES}.")
    Optimizer optimizer = Optimizer.SGD;

    @Option(names = "--cos-lr", description = "Let the learning rate fall along a cosine.")
    boolean cosine;

    @Option(
            names = "--sync-bn",
            description = "Batch norm over the batch of all ranks instead of each rank's own.")
    boolean syncBatchNorm;

    @Option(names = "--amp", description = "Mixed precision: bfloat16.")
    boolean amp;

    @Option(
            names = "--patience",
            defaultValue = "100",
            description = "Stop after that many epochs without a better result; 0 for never.")
    int patience;

    @Option(
            names = "--freeze",
            arity = "1..*",
            split = ",",
            description = "Layers to freeze: one number n for the first n, several for just those.")
    List<Integer> freeze = List.of();

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "Of weights, order and augmentation.")
    long seed;

    @Option(
            names = "--project",
            defaultValue = "runs/train",
            description = "Folder that holds the run folders.")
    Path project = Path.of("");

    @Option(names = "--name", defaultValue = "exp", description = "Name of the run folder.")
    String name = "";

    @Option(
            names = "--exist-ok",
            description = "Use the run folder again instead of taking the next number.")
    boolean existOk;

    @Option(
            names = "--timeline",
            description =
                    "Write a trace of some steps to this file, a lane for each rank; open it at"
                            + " https://ui.perfetto.dev.")
    @Nullable Path timeline;

    @Option(
            names = "--timeline-steps",
            defaultValue = "10-20",
            description = "The first and the last step of the timeline, counted from 0.")
    String timelineSteps = "";

    /** Checks what only the program knows. */
    void check() {
        timeline();
        DeviceChoice.parse(device);
    }

    /** The timeline to record, if one was asked for. */
    Optional<Timeline> timeline() {
        Matcher steps = Pattern.compile("(\\d{1,18})-(\\d{1,18})").matcher(timelineSteps);
        if (!steps.matches()) {
            throw new ConfigurationException(
                    "--timeline-steps is '"
                            + timelineSteps
                            + "', but it has to be two numbers such as 10-20");
        }
        return Optional.ofNullable(timeline)
                .map(
                        file ->
                                Timeline.of(file)
                                        .optSteps(
                                                Long.parseLong(steps.group(1)),
                                                Long.parseLong(steps.group(2))));
    }

    /** The layers to freeze, as YOLOv5 reads the option. */
    int[] frozenLayers() {
        if (freeze.size() != 1) {
            return freeze.stream().mapToInt(Integer::intValue).toArray();
        }
        int[] layers = new int[Math.max(0, freeze.get(0))];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = i;
        }
        return layers;
    }

    /** The ranks that this JVM runs as threads. */
    int threads() {
        return ranks == null ? 1 : ranks;
    }

    /** For args.yaml: every option by its name. */
    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("data", data);
        map.put("cfg", cfg);
        map.put("weights", weights == null ? "" : weights.toString());
        map.put("hyp", hyp == null ? "" : hyp.toString());
        map.put("epochs", epochs);
        map.put("batch_size", batchSize);
        map.put("imgsz", imageSize);
        map.put("nproc", threads());
        map.put("device", device);
        map.put("workers", workers);
        map.put("optimizer", optimizer.name());
        map.put("cos_lr", cosine);
        map.put("sync_bn", syncBatchNorm);
        map.put("amp", amp);
        map.put("patience", patience);
        map.put("freeze", freeze);
        map.put("seed", seed);
        map.put("project", project.toString());
        map.put("name", name);
        map.put("exist_ok", existOk);
        map.put("timeline", timeline == null ? "" : timeline.toString());
        map.put("timeline_steps", timelineSteps);
        return map;
    }
}
