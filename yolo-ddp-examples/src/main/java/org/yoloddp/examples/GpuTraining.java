package org.yoloddp.examples;

import java.util.Locale;
import java.util.stream.IntStream;
import org.yoloddp.DeviceChoice;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingTask;

/** The trainings of {@code doctor --gpu}: linear layers on noise, which are learnt by heart. */
final class GpuTraining {

    private static final int WIDTH = 64;
    private static final int BATCH = 32;
    private static final int STEPS = 60;

    /** Both compute in float32, but the GPU in another order, maybe with TensorFloat-32. */
    private static final double CLOSE = .02;

    private static final double CLOSE_IN_HALVES = .1;

    /** What learning has to take off the first loss, or there is nothing to compare. */
    private static final double LEARNT = .2;

    private final DeviceChoice device;

    /**
     * @param device where it is tried
     */
    GpuTraining(DeviceChoice device) {
        this.device = device;
    }

    private static TrainingTask task(int steps, int ranks) {
        return new MlpTask(WIDTH, 3, BATCH / ranks, steps * ranks);
    }

    private static TrainingReport train(World world, int steps, int ranks, boolean amp) {
        try (DistributedTrainer trainer =
                BenchTasks.trainer(task(steps, ranks), BATCH, ranks)
                        .optWorld(world)
                        .optAmp(amp)
                        .build()) {
            return trainer.train();
        }
    }

    private static double loss(TrainingReport report) {
        return report.lastEpoch().losses().values().stream().mapToDouble(value -> value).sum();
    }

    private World here() {
        return World.local().withDevices(device);
    }

    /** Returns what it found. */
    String learnsAsTheCpu() {
        double cpu = loss(train(World.local().withDevices(DeviceChoice.cpu()), STEPS, 1, false));
        double early = loss(train(World.local().withDevices(DeviceChoice.cpu()), 2, 1, false));
        double gpu = loss(train(here(), STEPS, 1, false));
        if (!(Math.abs(gpu - cpu) <= CLOSE * cpu) || !(early - cpu > LEARNT * early)) {
            throw GpuCheckException.otherLoss("on " + device, gpu, "on the CPU", cpu, early);
        }
        return String.format(
                Locale.ROOT, "mean loss %.4f, on the CPU %.4f, at the start %.4f", gpu, cpu, early);
    }

    String learnsInMixedPrecision() {
        double plain = loss(train(here(), STEPS, 1, false));
        double early = loss(train(here(), 2, 1, false));
        TrainingReport report = train(here(), STEPS, 1, true);
        double mixed = loss(report);
        if (!(Math.abs(mixed - plain) <= CLOSE_IN_HALVES * plain)
                || report.skippedSteps() * 2 > report.steps()) {
            throw GpuCheckException.otherLoss(
                    "in mixed precision (" + report.skippedSteps() + " steps skipped)",
                    mixed,
                    "in float32",
                    plain,
                    early);
        }
        String text = String.format(Locale.ROOT, "mean loss %.4f, in float32 %.4f", mixed, plain);
        return Double.isNaN(report.lossScale())
                ? text
                : text
                        + String.format(
                                Locale.ROOT,
                                "; loss scale %.0f, %d of %d steps skipped",
                                report.lossScale(),
                                report.skippedSteps(),
                                report.steps());
    }

    /** Times a real model on images of so many pixels, in float32 and mixed. */
    String step(String model, int pixels, int steps) {
        StringBuilder text = new StringBuilder();
        for (boolean amp : new boolean[] {false, true}) {
            try (DistributedTrainer trainer =
                    BenchTasks.trainer(BenchTasks.yolo(model, pixels, 8, steps), 8, 1)
                            .optWorld(here())
                            .optAmp(amp)
                            .build()) {
                TrainingReport report = trainer.train();
                text.append(text.isEmpty() ? model + ", " + pixels + " px, batch 8: " : ", ")
                        .append(
                                String.format(
                                        Locale.ROOT,
                                        "%.1f ms a step %s",
                                        report.stepMillisMedian(),
                                        amp ? "in mixed precision" : "in float32"));
            }
        }
        return text.toString();
    }

    /**
     * Trains as one of several ranks, by the same batch on each, which is what one rank alone
     * learns; and compares with that.
     *
     * @param gpus how many there are, taken in turns
     */
    static String learnsTogether(boolean onCpu, int gpus, int ranks) {
        int[] devices = IntStream.range(0, ranks).map(rank -> rank % gpus).toArray();
        DeviceChoice choice = onCpu ? DeviceChoice.cpu() : DeviceChoice.gpus(devices);
        World world = World.fromEnvironment().withDevices(choice);
        TrainingReport report = train(world, STEPS, ranks, false);
        boolean same = report.parametersSha256().stream().distinct().count() == 1;
        double together = loss(report);
        double early = loss(train(World.fromEnvironment().withDevices(choice), 2, ranks, false));
        if (!same || report.worldSize() != ranks || !(early - together > LEARNT * early)) {
            throw GpuCheckException.otherLoss(
                    "of " + report.worldSize() + " ranks, weights " + report.parametersSha256(),
                    together,
                    "of steps that learn",
                    early * (1 - LEARNT),
                    early);
        }
        return String.format(
                Locale.ROOT,
                "%d ranks end with the same weights; mean loss %.4f, at the start %.4f; %.1f ms a"
                        + " step, of which %.1f ms wait for communication",
                ranks,
                together,
                early,
                report.stepMillisMedian(),
                report.commExposedMillis());
    }
}
