package org.yoloddp.examples;

import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingStart;
import org.yoloddp.train.WeightsView;

/** Shows a bar per epoch on a terminal, and a line per epoch everywhere. */
final class ProgressObserver implements TrainingObserver {

    private static final int BAR_WIDTH = 110;

    private final Console console;
    private @Nullable ProgressBar bar;
    private int epochs;
    private double seconds;
    private long epochStart;

    ProgressObserver(Console console) {
        this.console = console;
    }

    @Override
    public void onStart(TrainingStart start) {
        epochs = start.epochs();
        console.printf(
                "%d %s, %,d parameters, %d images in %d batches of %d, %d epochs",
                start.worldSize(),
                start.worldSize() == 1 ? "rank" : "ranks",
                start.parameters(),
                start.trainingSamples(),
                start.batchesPerEpoch(),
                start.batchSize(),
                start.epochs());
    }

    @Override
    public void onStep(StepReport report) {
        if (report.batch() == 0) {
            epochStart = System.nanoTime();
        }
        if (!console.terminal()) {
            return;
        }
        ProgressBar current = bar;
        if (current == null) {
            current = open(report);
            bar = current;
        }
        double spent = Math.max(1e-9, (System.nanoTime() - epochStart) / 1e9);
        double ahead = report.batch() == 0 ? Double.NaN : report.images() / spent;
        String rate =
                Double.isNaN(ahead) ? "" : String.format(Locale.ROOT, " %.0f images/s", ahead);
        current.setExtraMessage(losses(report.losses()) + rate);
        current.stepTo(report.batch() + 1L);
        if (report.batch() + 1 == report.batches()) {
            close();
        }
    }

    @Override
    public void onEpoch(EpochReport report, WeightsView weights) {
        close();
        seconds += report.seconds();
        StringBuilder line = new StringBuilder(epoch(report.epoch()));
        line.append(' ').append(losses(report.losses()));
        line.append(String.format(Locale.ROOT, ", %.0f images/s", report.imagesPerSecond()));
        report.validation()
                .ifPresent(
                        found -> {
                            line.append(':');
                            found.metrics().forEach((name, value) -> append(line, name, value));
                        });
        line.append(report.best() ? " (best)" : "");
        int left = epochs - report.epoch() - 1;
        if (left > 0) {
            double remaining = seconds / (report.epoch() + 1) * left;
            line.append(", ").append(duration(remaining)).append(" left");
        }
        console.print(line.toString());
    }

    @Override
    public void onEnd(TrainingReport report) {
        close();
    }

    @Override
    public void onFailure(Throwable cause) {
        close();
    }

    /** Losses of the validation are for results.csv. */
    private static void append(StringBuilder line, String name, double value) {
        if (!name.contains("/")) {
            line.append(String.format(Locale.ROOT, " %s %.3f", name, value));
        }
    }

    private ProgressBar open(StepReport report) {
        return new ProgressBarBuilder()
                .setTaskName(epoch(report.epoch()))
                .setInitialMax(report.batches())
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(200)
                .setConsumer(new DelegatingProgressBarConsumer(this::overwrite, BAR_WIDTH))
                .build();
    }

    private void overwrite(String line) {
        console.out().print("\r" + line);
        console.out().flush();
    }

    /** Ends the bar; its line is overwritten by the epoch's. */
    private void close() {
        if (bar != null) {
            bar.close();
            bar = null;
            console.out().print("\r" + " ".repeat(BAR_WIDTH) + "\r");
            console.out().flush();
        }
    }

    private String epoch(int number) {
        return "epoch " + (number + 1) + "/" + epochs;
    }

    private static String losses(Map<String, Double> losses) {
        StringBuilder text = new StringBuilder();
        losses.forEach(
                (name, value) ->
                        text.append(text.isEmpty() ? "" : " ")
                                .append(String.format(Locale.ROOT, "%s %.4f", name, value)));
        return text.toString();
    }

    static String duration(double seconds) {
        Duration time = Duration.ofMillis(Math.round(seconds * 1000));
        long hours = time.toHours();
        return hours > 0
                ? String.format(Locale.ROOT, "%d h %02d min", hours, time.toMinutesPart())
                : time.toMinutes() > 0
                        ? String.format(
                                Locale.ROOT,
                                "%d min %02d s",
                                time.toMinutes(),
                                time.toSecondsPart())
                        : time.toSecondsPart() + " s";
    }
}
