package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.yoloddp.train.ValidationResult;

/** A validation as a table: all classes, then each one. */
final class ClassTable {

    private ClassTable() {}

    static List<String> lines(ValidationResult result) {
        List<String> columns = new ArrayList<>(result.metrics().keySet());
        int width = "class".length();
        for (String name : result.byClass().keySet()) {
            width = Math.max(width, name.length());
        }
        List<String> lines = new ArrayList<>();
        StringBuilder head = new StringBuilder(pad("class", width));
        columns.forEach(name -> head.append(String.format(Locale.ROOT, " %12s", name)));
        lines.add(head.toString());
        lines.add(pad("all", width) + cells(columns, result.metrics()));
        for (Map.Entry<String, Map<String, Double>> entry : result.byClass().entrySet()) {
            lines.add(pad(entry.getKey(), width) + cells(columns, entry.getValue()));
        }
        return lines;
    }

    private static String cells(List<String> columns, Map<String, Double> values) {
        StringBuilder text = new StringBuilder();
        for (String column : columns) {
            Double value = values.get(column);
            text.append(
                    value == null
                            ? String.format(Locale.ROOT, " %12s", "")
                            : String.format(Locale.ROOT, " %12s", number(value)));
        }
        return text.toString();
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) >= 2
                ? String.format(Locale.ROOT, "%.0f", value)
                : String.format(Locale.ROOT, "%.3f", value);
    }

    private static String pad(String text, int width) {
        return String.format(Locale.ROOT, "%-" + width + "s", text);
    }
}
