package org.yoloddp.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.PhaseMillis;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.ValidationResult;

/** summary.json: what a training did, for programs to read. */
final class SummaryJson {

    private static final Gson GSON =
            new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().serializeNulls().create();

    private SummaryJson() {}

    static String of(TrainingReport report) {
        Map<String, @Nullable Object> summary = new LinkedHashMap<>();
        summary.put("outcome", report.outcome().name().toLowerCase(Locale.ROOT));
        summary.put("worldSize", report.worldSize());
        summary.put("epochs", report.epochs().size());
        summary.put("steps", report.steps());
        summary.put("imagesPerSecond", number(report.imagesPerSecond()));
        Map<String, @Nullable Double> millis = new LinkedHashMap<>();
        millis.put("median", number(report.stepMillisMedian()));
        millis.put("p95", number(report.stepMillisP95()));
        summary.put("stepMillis", millis);
        summary.put("commExposedMillis", number(report.commExposedMillis()));
        summary.put("phaseMillis", phases(report.phaseMillis()));
        summary.put("skippedSteps", report.skippedSteps());
        summary.put("lossScale", number(report.lossScale()));
        summary.put("best", best(report));
        summary.put("bestEpoch", bestEpoch(report));
        summary.put("parametersSha256", report.parametersSha256());
        summary.put("buffersSha256", report.buffersSha256());
        return GSON.toJson(summary) + "\n";
    }

    private static Map<String, @Nullable Double> phases(PhaseMillis millis) {
        Map<String, @Nullable Double> phases = new LinkedHashMap<>();
        phases.put("dataWait", number(millis.dataWait()));
        phases.put("forward", number(millis.forward()));
        phases.put("backward", number(millis.backward()));
        phases.put("commExposed", number(millis.commExposed()));
        phases.put("optimizer", number(millis.optimizer()));
        return phases;
    }

    /** The largest value of each metric, each in its own epoch; losses are none. */
    private static Map<String, @Nullable Double> best(TrainingReport report) {
        Set<String> names = new LinkedHashSet<>();
        report.epochs().stream()
                .flatMap(epoch -> epoch.validation().stream())
                .forEach(found -> names.addAll(found.metrics().keySet()));
        Map<String, @Nullable Double> best = new LinkedHashMap<>();
        names.stream()
                .filter(name -> !name.startsWith("val/"))
                .forEach(name -> best.put(name, number(report.best(name))));
        return best;
    }

    /** The epoch that best.safetensors holds: the last that was the best so far. */
    private static @Nullable Map<String, @Nullable Object> bestEpoch(TrainingReport report) {
        Optional<EpochReport> epoch =
                report.epochs().stream()
                        .filter(EpochReport::best)
                        .max(Comparator.comparingInt(EpochReport::epoch));
        if (epoch.isEmpty()) {
            return null;
        }
        Map<String, @Nullable Object> result = new LinkedHashMap<>();
        result.put("epoch", epoch.get().epoch());
        epoch.get().validation().ifPresent(found -> result.putAll(validation(found)));
        return result;
    }

    private static Map<String, @Nullable Object> validation(ValidationResult found) {
        Map<String, @Nullable Object> result = new LinkedHashMap<>();
        result.put("fitness", number(found.fitness()));
        Map<String, @Nullable Double> metrics = new LinkedHashMap<>();
        found.metrics().forEach((name, value) -> metrics.put(name, number(value)));
        result.put("metrics", metrics);
        return result;
    }

    /** JSON has no NaN and no infinity. */
    private static @Nullable Double number(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
