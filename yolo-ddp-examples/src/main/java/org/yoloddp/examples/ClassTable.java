package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.detection.ClassMetrics;
import org.yoloddp.detection.DetectionMetrics;
import org.yoloddp.train.ValidationResult;

/** A validation as a table: all classes, then each one. */
final class ClassTable {

    private static final List<String> COUNTS = List.of("images", "instances");

    private ClassTable() {}

    static List<String> lines(DetectionMetrics found) {
        Map<String, Map<String, Double>> byClass = new LinkedHashMap<>();
        for (ClassMetrics c : found.classes()) {
            byClass.put(
                    c.name(),
                    row(
                            c.images(),
                            c.labels(),
                            c.precision(),
                            c.recall(),
                            c.map50(),
                            c.map50To95()));
        }
        Map<String, Double> all =
                row(
                        found.images(),
                        found.labels(),
                        found.precision(),
                        found.recall(),
                        found.map50(),
                        found.map50To95());
        return lines(new ValidationResult(found.fitness(), all, byClass));
    }

    static List<String> lines(ValidationResult result) {
        List<String> columns = columns(result);
        int width =
                Math.max(
                        "class".length(),
                        result.byClass().keySet().stream()
                                .mapToInt(String::length)
                                .max()
                                .orElse(0));
        List<String> lines = new ArrayList<>();
        StringBuilder head = new StringBuilder(pad("class", width));
        columns.forEach(name -> head.append(String.format(Locale.ROOT, " %10s", name)));
        lines.add(head.toString());
        lines.add(pad("all", width) + cells(columns, result.metrics()));
        result.byClass()
                .forEach((name, values) -> lines.add(pad(name, width) + cells(columns, values)));
        return lines;
    }

    /** Those of a class, of which some are not known for all together; losses have no class. */
    private static List<String> columns(ValidationResult result) {
        return result.byClass().values().stream()
                .findFirst()
                .map(values -> List.copyOf(values.keySet()))
                .orElseGet(
                        () ->
                                result.metrics().keySet().stream()
                                        .filter(name -> !name.contains("/"))
                                        .toList());
    }

    private static Map<String, Double> row(
            double images,
            double instances,
            double precision,
            double recall,
            double map50,
            double map50To95) {
        Map<String, Double> row = new LinkedHashMap<>();
        row.put("images", images);
        row.put("instances", instances);
        row.put("precision", precision);
        row.put("recall", recall);
        row.put("mAP50", map50);
        row.put("mAP50-95", map50To95);
        return row;
    }

    private static String cells(List<String> columns, Map<String, Double> values) {
        StringBuilder text = new StringBuilder();
        for (String column : columns) {
            text.append(String.format(Locale.ROOT, " %10s", number(column, values.get(column))));
        }
        return text.toString();
    }

    private static String number(String column, @Nullable Double value) {
        if (value == null) {
            return "";
        }
        return String.format(Locale.ROOT, COUNTS.contains(column) ? "%.0f" : "%.3f", value);
    }

    private static String pad(String text, int width) {
        return String.format(Locale.ROOT, "%-" + width + "s", text);
    }
}
