package org.yoloddp.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.PhaseMillis;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingStart;
import org.yoloddp.train.ValidationResult;

/** Reports of trainings that never were. */
final class Reports {

    private static final List<String> TERMS = List.of("box_loss", "obj_loss", "cls_loss");
    private static final List<String> METRICS =
            List.of(
                    "precision",
                    "recall",
                    "mAP50",
                    "mAP50-95",
                    "val/box_loss",
                    "val/obj_loss",
                    "val/cls_loss");

    private Reports() {}

    static TrainingStart start(String... lossTerms) {
        return new TrainingStart(2, 30, 13, 16, 205, 1_767_976, List.of(lossTerms));
    }

    static TrainingStart detection() {
        return start("box_loss", "obj_loss", "cls_loss");
    }

    /** An epoch from the values of a line of YOLOv5's results.csv. */
    static EpochReport detection(double[] line, boolean best) {
        Map<String, Double> losses = new LinkedHashMap<>();
        for (int i = 0; i < 3; i++) {
            losses.put(TERMS.get(i), line[1 + i]);
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        for (int i = 0; i < 7; i++) {
            metrics.put(METRICS.get(i), line[4 + i]);
        }
        return epoch((int) line[0], losses, metrics, best, line[11], line[12], line[13]);
    }

    static EpochReport epoch(
            int epoch,
            Map<String, Double> losses,
            Map<String, Double> metrics,
            boolean best,
            double... rates) {
        double fitness = metrics.getOrDefault("mAP50", Double.NaN);
        Optional<ValidationResult> found =
                metrics.isEmpty()
                        ? Optional.empty()
                        : Optional.of(new ValidationResult(fitness, metrics, Map.of()));
        return new EpochReport(epoch, losses, found, best, rates, 50, 4);
    }

    static TrainingReport training(EpochReport... epochs) {
        return new TrainingReport(
                TrainingReport.Outcome.COMPLETED,
                2,
                13L * epochs.length,
                List.of(epochs),
                51.5,
                310,
                340.25,
                new PhaseMillis(1.5, 120, 160, Double.NaN, 12),
                3,
                8192,
                List.of("aa", "aa"),
                List.of("bb", "bb"));
    }
}
