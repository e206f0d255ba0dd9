package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.natives.NativeReport;
import org.yoloddp.natives.Natives;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.yolo.YoloV5;

/**
 * Takes training steps in turns with rivals. Ours are those of a real training of one epoch, whose
 * observer lets the rivals have their turns. The first step of each turn isn't counted: it pays for
 * the caches that the other one has taken.
 */
record StepBench(
        String cfg, int imageSize, int batch, int threads, boolean amp, int turns, int steps) {

    static final int BOXES = 8;

    private static final int CLASSES = 80;
    private static final int WARM_UP = 20;

    /**
     * A rival.
     *
     * @param name for the report
     * @param process takes its steps
     */
    record Contender(String name, RivalProcess process) {}

    /** Empty if the training was interrupted. */
    Optional<BenchReport> run(List<Contender> rivals) throws IOException {
        Turns observer = new Turns(rivals);
        Path folder = Files.createTempDirectory("yolo-ddp-bench");
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(
                                new BenchTask(
                                        YoloV5.task(cfg, dataset(folder))
                                                .optImageSize(imageSize)
                                                .build(),
                                        new SyntheticBatches(
                                                imageSize,
                                                batch,
                                                BOXES,
                                                CLASSES,
                                                WARM_UP + turns * (steps + 1))))
                        .setEpochs(1)
                        .setBatchSize(batch)
                        .optWorld(World.threads(1))
                        .optThreadsPerRank(threads)
                        .optAmp(amp)
                        .optOptimizer(
                                OptimizerSpec.sgd().momentum(0.937).nesterov().weightDecay(0.0005))
                        .optLearningRate(LearningRate.constant(0.01))
                        .optClipNorm(10)
                        .optWeightAverage(0.9999)
                        .addObserver(observer)
                        .build()) {
            if (trainer.train().outcome() == TrainingReport.Outcome.CANCELLED) {
                return Optional.empty();
            }
        } finally {
            Folders.delete(folder);
        }
        return Optional.of(report(observer, rivals));
    }

    private BenchReport report(Turns observer, List<Contender> rivals) {
        String name =
                String.join(
                        ", ",
                        cfg,
                        imageSize + " px",
                        "batch " + batch,
                        threads + " threads",
                        amp ? "bfloat16" : "float32");
        double ours = BenchReport.median(observer.ours);
        List<BenchReport.Row> rows = new ArrayList<>();
        for (int i = 0; i < rivals.size(); i++) {
            double theirs = BenchReport.median(observer.theirs.get(i));
            rows.add(BenchReport.Row.against(name, ours, rivals.get(i).name(), theirs));
        }
        if (rows.isEmpty()) {
            rows.add(BenchReport.Row.alone(name, ours));
        }
        Map<String, String> versions = new TreeMap<>();
        NativeReport natives = Natives.report();
        versions.put("yolo-ddp", Version.text());
        versions.put("java", System.getProperty("java.version"));
        versions.put("djl", natives.djlVersion());
        versions.put("libtorch", String.valueOf(natives.libtorchVersion()));
        rivals.forEach(
                rival ->
                        rival.process()
                                .versions()
                                .forEach((key, value) -> versions.put("rival " + key, value)));
        return new BenchReport("step", versions, rows);
    }

    /** What the task asks for: as many classes as the rival's model has. */
    private DetectionDataset dataset(Path folder) throws IOException {
        Path yaml = SyntheticShapes.write(folder, 1, 1, 32, 0);
        String names =
                IntStream.range(0, CLASSES)
                        .mapToObj(i -> "class" + i)
                        .collect(Collectors.joining(", "));
        String text = Files.readString(yaml).replaceAll("names:.*", "names: [" + names + "]");
        Files.write(yaml, text.getBytes(StandardCharsets.UTF_8));
        return DetectionDataset.load(yaml);
    }

    /** Lets the rivals have their turns after each turn of ours. */
    private final class Turns implements TrainingObserver {

        private final List<Contender> rivals;
        private final List<Double> ours = new ArrayList<>();
        private final List<List<Double>> theirs = new ArrayList<>();

        Turns(List<Contender> rivals) {
            this.rivals = rivals;
            rivals.forEach(rival -> theirs.add(new ArrayList<>()));
        }

        @Override
        public void onStep(StepReport report) {
            if (report.step() < WARM_UP) {
                return;
            }
            long inTurn = (report.step() - WARM_UP) % (steps + 1);
            if (inTurn > 0) {
                ours.add(report.millis());
            }
            if (inTurn == steps) {
                for (int i = 0; i < rivals.size(); i++) {
                    double[] millis = rivals.get(i).process().run(steps + 1);
                    for (int j = 1; j < millis.length; j++) {
                        theirs.get(i).add(millis[j]);
                    }
                }
            }
        }
    }
}
