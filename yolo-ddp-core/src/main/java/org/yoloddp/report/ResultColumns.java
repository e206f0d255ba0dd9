package org.yoloddp.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.ValidationResult;

/** Names the values of an epoch as YOLOv5 does, in its order. */
final class ResultColumns {

    private static final Map<String, String> METRICS =
            Map.of("mAP50", "mAP_0.5", "mAP50-95", "mAP_0.5:0.95");

    private static final List<String> DETECTION_TERMS = List.of("box_loss", "obj_loss", "cls_loss");
    private static final List<String> DETECTION_COLUMNS =
            List.of(
                    "metrics/precision",
                    "metrics/recall",
                    "metrics/mAP_0.5",
                    "metrics/mAP_0.5:0.95",
                    "val/box_loss",
                    "val/obj_loss",
                    "val/cls_loss");

    private ResultColumns() {}

    /**
     * The values of an epoch: losses, metrics, validation losses, learning rates. A detector has
     * the columns of YOLOv5 and no others, with NaN where there is no value.
     */
    static Map<String, Double> of(EpochReport epoch, List<String> lossTerms) {
        Map<String, Double> values = new LinkedHashMap<>();
        for (String term : lossTerms) {
            values.put("train/" + loss(term), epoch.losses().getOrDefault(term, Double.NaN));
        }
        boolean detector =
                lossTerms.stream().map(ResultColumns::loss).toList().equals(DETECTION_TERMS);
        if (detector) {
            DETECTION_COLUMNS.forEach(name -> values.put(name, Double.NaN));
        }
        epoch.validation().map(ValidationResult::metrics).orElse(Map.of()).entrySet().stream()
                .filter(entry -> !detector || values.containsKey(metric(entry.getKey())))
                .forEach(entry -> values.put(metric(entry.getKey()), entry.getValue()));
        for (int group = 0; group < epoch.learningRates().length; group++) {
            values.put("x/lr" + group, epoch.learningRates()[group]);
        }
        return values;
    }

    /** Validation losses carry the prefix {@code val/}, all else is a metric. */
    private static String metric(String name) {
        return name.startsWith("val/")
                ? "val/" + loss(name.substring("val/".length()))
                : "metrics/" + METRICS.getOrDefault(name, name);
    }

    private static String loss(String term) {
        return term.endsWith("loss") ? term : term + "_loss";
    }
}
