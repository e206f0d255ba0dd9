package org.yoloddp.report;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;
import org.yoloddp.train.ValidationResult;

/** A validation as a table for people: all classes in the first line, then one line per class. */
public final class ClassTable {

    private static final int NAME_WIDTH = 22;
    private static final int VALUE_WIDTH = 11;
    private static final int DIGITS = 3;
    private static final Map<String, String> SHORT =
            Map.of(
                    "images", "Images",
                    "instances", "Instances",
                    "precision", "P",
                    "recall", "R");

    private ClassTable() {}

    /**
     * Formats a validation.
     *
     * @param found what the validation found
     * @return lines joined by line feeds: the names of the metrics, {@code all}, then the classes;
     *     validation losses are left out, and a value that a line lacks is a dash
     */
    public static String format(ValidationResult found) {
        Map<String, Double> all = new LinkedHashMap<>(found.metrics());
        all.keySet().removeIf(name -> name.startsWith("val/"));
        // The counts that only classes have come first, as in YOLOv5.
        Set<String> columns = new LinkedHashSet<>();
        found.byClass().values().forEach(values -> columns.addAll(values.keySet()));
        columns.addAll(all.keySet());
        StringJoiner lines = new StringJoiner("\n");
        lines.add(header(columns));
        lines.add(line("all", all, columns));
        found.byClass().forEach((name, values) -> lines.add(line(name, values, columns)));
        return lines.toString();
    }

    private static String header(Set<String> columns) {
        StringBuilder line = new StringBuilder(CFormat.right("Class", NAME_WIDTH));
        columns.forEach(
                name -> line.append(CFormat.right(SHORT.getOrDefault(name, name), VALUE_WIDTH)));
        return line.toString();
    }

    private static String line(String name, Map<String, Double> values, Set<String> columns) {
        StringBuilder line = new StringBuilder(CFormat.right(name, NAME_WIDTH));
        columns.forEach(column -> line.append(cell(values.get(column))));
        return line.toString();
    }

    private static String cell(@Nullable Double value) {
        if (value == null) {
            return CFormat.right("-", VALUE_WIDTH);
        }
        // Counts are printed in full.
        return value == Math.rint(value) && Math.abs(value) < 1e9
                ? CFormat.right(Long.toString(value.longValue()), VALUE_WIDTH)
                : CFormat.general(value, VALUE_WIDTH, DIGITS);
    }
}
