package org.yoloddp.examples;

import java.nio.file.Path;
import java.util.List;
import org.yoloddp.DeviceChoice;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.DistributedTrainerBuilder;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.report.RunFolder;
import org.yoloddp.schedule.YoloV5Schedule;
import org.yoloddp.train.Loading;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingTask;
import org.yoloddp.yolo.Hyp;
import org.yoloddp.yolo.YoloV5;
import org.yoloddp.yolo.YoloV5TaskBuilder;

/** A training as YOLOv5 would do it, from options to run folder. */
final class TrainJob {

    /** Augmentations of YOLOv5 that this version leaves out. */
    private static final List<String> LEFT_OUT =
            List.of(
                    "mosaic",
                    "scale",
                    "translate",
                    "degrees",
                    "shear",
                    "perspective",
                    "mixup",
                    "copy_paste");

    private static final int SHAPES_TO_TRAIN = 200;
    private static final int SHAPES_TO_VALIDATE = 50;
    private static final int MOST_PROBLEMS = 5;

    /**
     * What came of it.
     *
     * @param exitCode for the program
     * @param report the training
     * @param folder the run folder, which rank 0 has written
     * @param data what was trained on
     */
    record Result(int exitCode, TrainingReport report, RunFolder folder, DetectionDataset data) {}

    private final TrainOptions options;
    private final Placement placement;
    private final Console console;

    TrainJob(TrainOptions options, Console console) {
        this.options = options;
        this.placement = Placement.of(System.getenv(), options.ranks != null);
        this.console = placement.writes() ? console : console.onlyFailures();
    }

    Result run() {
        options.check();
        placement.found().ifPresent(found -> console.print("found " + found));
        try (Interruption interruption = new Interruption(console, !placement.launched())) {
            Hyp hyp = options.hyp == null ? Hyp.defaults() : Hyp.load(options.hyp);
            warnOfWhatIsLeftOut(hyp);
            DetectionDataset data = data();
            RunFolder folder =
                    RunFolder.at(options.project)
                            .optName(options.name)
                            .optExistOk(options.existOk)
                            .optArgs(options.toMap())
                            .optHyperparameters(hyp.toMap());
            try (DistributedTrainer trainer = trainer(data, hyp, folder)) {
                TrainingReport report = interruption.start(trainer).join();
                if (placement.writes()) {
                    tell(report, folder.path());
                }
                int code = interruption.happened() ? ExitCode.INTERRUPTED : ExitCode.DONE;
                return new Result(code, report, folder, data);
            }
        }
    }

    private DistributedTrainer trainer(DetectionDataset data, Hyp hyp, RunFolder folder) {
        YoloV5Schedule schedule = schedule(hyp);
        TrainingTask task = task(data, hyp);
        DistributedTrainerBuilder builder = builder(schedule, task, hyp);
        if (placement.writes()) {
            builder.addObserver(folder)
                    .addObserver(new ProgressObserver(console))
                    .addObserver(new ResultsPlot(folder::path, console));
            options.timeline().ifPresent(builder::addObserver);
        }
        return builder.build();
    }

    private DistributedTrainerBuilder builder(YoloV5Schedule schedule, TrainingTask task, Hyp hyp) {
        return DistributedTrainer.builder()
                .setTask(task)
                .setEpochs(options.epochs)
                .setBatchSize(options.batchSize)
                .optWorld(
                        placement.world(
                                options.threads(),
                                options.endpoint,
                                DeviceChoice.parse(options.device)))
                .optOptimizer(optimizer(hyp))
                .optSchedule(schedule)
                .optClipNorm(10)
                .optWeightAverage(0.9999)
                .optSyncBatchNorm(options.syncBatchNorm)
                .optAmp(options.amp)
                .optPatience(options.patience)
                .optSeed(options.seed)
                .optLoading(Loading.defaults().withWorkers(options.workers));
    }

    private void warnOfWhatIsLeftOut(Hyp hyp) {
        List<String> asked = LEFT_OUT.stream().filter(name -> hyp.get(name) > 0).toList();
        if (placement.writes() && options.hyp != null && !asked.isEmpty()) {
            console.warn(options.hyp + ": this version doesn't do " + String.join(", ", asked));
        }
    }

    private TrainingTask task(DetectionDataset data, Hyp hyp) {
        YoloV5TaskBuilder builder =
                YoloV5.task(options.cfg, data)
                        .optImageSize(options.imageSize)
                        .optHyp(hyp)
                        .optFreeze(options.frozenLayers());
        if (options.weights != null) {
            builder.optWeights(options.weights);
        }
        return builder.build();
    }

    private YoloV5Schedule schedule(Hyp hyp) {
        YoloV5Schedule schedule =
                YoloV5Schedule.forBatchSize(options.batchSize)
                        .learningRate(hyp.get("lr0"), hyp.get("lrf"))
                        .warmup(hyp.get("warmup_epochs"), hyp.get("warmup_epochs") > 0 ? 100 : 0)
                        .warmupBiasRate(hyp.get("warmup_bias_lr"));
        schedule =
                options.optimizer == TrainOptions.Optimizer.SGD
                        ? schedule.momentum(hyp.get("warmup_momentum"), hyp.get("momentum"))
                        : schedule.withoutMomentum();
        return options.cosine ? schedule.cosine() : schedule;
    }

    private OptimizerSpec optimizer(Hyp hyp) {
        double momentum = hyp.get("momentum");
        OptimizerSpec spec =
                switch (options.optimizer) {
                    case SGD -> OptimizerSpec.sgd().momentum(momentum).nesterov();
                    case Adam -> OptimizerSpec.adam().betas(momentum, 0.999);
                    case AdamW -> OptimizerSpec.adamW().betas(momentum, 0.999);
                };
        return spec.weightDecay(
                YoloV5Schedule.scaledWeightDecay(hyp.get("weight_decay"), options.batchSize));
    }

    private DetectionDataset data() {
        Path yaml =
                options.data.equals("shapes")
                        ? SyntheticShapes.write(
                                options.project.resolveSibling(shapesFolder()),
                                SHAPES_TO_TRAIN,
                                SHAPES_TO_VALIDATE,
                                options.imageSize,
                                options.seed)
                        : Path.of(options.data);
        DetectionDataset data = DetectionDataset.load(yaml);
        console.printf(
                "%s: %d images to train on, %d to validate on, classes %s",
                yaml,
                data.split("train").size(),
                data.split("val").size(),
                String.join(", ", data.classNames()));
        if (!placement.writes()) {
            return data; // rank 0 warns of its problems
        }
        data.problems().stream().limit(MOST_PROBLEMS).forEach(p -> console.warn(p.toString()));
        if (data.problems().size() > MOST_PROBLEMS) {
            console.warn("and " + (data.problems().size() - MOST_PROBLEMS) + " more");
        }
        return data;
    }

    /** Ranks may write at the same time, so each that is a process has a folder of its own. */
    private String shapesFolder() {
        return placement.writes() ? "shapes" : "shapes-rank" + placement.rank();
    }

    private void tell(TrainingReport report, Path folder) {
        if (!report.epochs().isEmpty()) {
            report.lastEpoch()
                    .validation()
                    .ifPresent(
                            v -> {
                                console.print("");
                                ClassTable.lines(v).forEach(console::print);
                            });
        }
        console.print("");
        console.printf(
                "%s after %d epochs, %.1f images/s; best mAP50 %.3f, mAP50-95 %.3f",
                switch (report.outcome()) {
                    case COMPLETED -> "done";
                    case STOPPED_EARLY -> "stopped, since nothing improved any more,";
                    case CANCELLED -> "interrupted";
                },
                report.epochs().size(),
                report.imagesPerSecond(),
                report.best("mAP50"),
                report.best("mAP50-95"));
        console.print("results in " + folder);
    }
}
