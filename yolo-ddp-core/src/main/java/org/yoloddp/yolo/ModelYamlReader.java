package org.yoloddp.yolo;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Checks a model description and turns it into rows. */
final class ModelYamlReader {

    private static final Set<String> KEYS =
            Set.of(
                    "nc",
                    "depth_multiple",
                    "width_multiple",
                    "anchors",
                    "backbone",
                    "head",
                    "activation",
                    "ch",
                    "inplace",
                    "channel_multiple");

    private final String source;
    private final Map<?, ?> map;

    ModelYamlReader(String source, Map<?, ?> map) {
        this.source = source;
        this.map = map;
    }

    ModelYaml read() {
        for (Object key : map.keySet()) {
            if (!KEYS.contains(String.valueOf(key))) {
                throw ModelYamlException.bad(source, "unknown key " + key);
            }
        }
        if (map.get("channel_multiple") instanceof Number multiple && multiple.intValue() != 8) {
            throw ModelYamlException.bad(
                    source, "channel_multiple " + multiple + "; only 8 is supported");
        }
        if (map.get("ch") instanceof Number channels && channels.intValue() != 3) {
            throw ModelYamlException.bad(
                    source, "ch " + channels + "; only 3 input channels are supported");
        }
        int classes = (int) number("nc");
        if (classes < 1) {
            throw ModelYamlException.bad(source, "nc is " + classes + "; it must be at least 1");
        }
        List<LayerRow> rows = new ArrayList<>();
        rows("backbone", rows);
        rows("head", rows);
        return ModelYaml.of(
                source,
                classes,
                positive("depth_multiple"),
                positive("width_multiple"),
                anchors(),
                activation(),
                rows);
    }

    private double number(String key) {
        if (map.get(key) instanceof Number number) {
            return number.doubleValue();
        }
        throw ModelYamlException.bad(source, key + " is missing or not a number");
    }

    private double positive(String key) {
        double value = number(key);
        if (!(value > 0) || value > 100) {
            throw ModelYamlException.bad(
                    source, key + " is " + value + "; it must lie in (0, 100]");
        }
        return value;
    }

    private double[][] anchors() {
        if (!(map.get("anchors") instanceof List<?> levels)) {
            throw ModelYamlException.bad(
                    source, "anchors are missing, or not a list with one list for each level");
        }
        double[][] result = new double[levels.size()][];
        for (int level = 0; level < result.length; level++) {
            if (!(levels.get(level) instanceof List<?> values)) {
                throw ModelYamlException.bad(
                        source, "anchors of level " + level + " are not a list");
            }
            result[level] = new double[values.size()];
            for (int i = 0; i < values.size(); i++) {
                if (!(values.get(i) instanceof Number number)) {
                    throw ModelYamlException.bad(
                            source, "anchors of level " + level + " hold " + values.get(i));
                }
                result[level][i] = number.doubleValue();
            }
        }
        return checkAnchors(source, result);
    }

    static double[][] checkAnchors(String source, double[][] anchors) {
        if (anchors.length == 0) {
            throw ModelYamlException.bad(source, "anchors are empty");
        }
        for (int level = 0; level < anchors.length; level++) {
            if (anchors[level].length == 0
                    || anchors[level].length % 2 != 0
                    || anchors[level].length != anchors[0].length) {
                throw ModelYamlException.bad(
                        source,
                        "anchors of level "
                                + level
                                + " have "
                                + anchors[level].length
                                + " numbers; each level needs the same number of width, height pairs");
            }
            for (double value : anchors[level]) {
                if (!(value > 0) || Double.isInfinite(value)) {
                    throw ModelYamlException.bad(
                            source, "anchors of level " + level + " hold " + value);
                }
            }
        }
        return anchors;
    }

    private String activation() {
        Object value = map.get("activation");
        if (value == null) {
            return "silu";
        }
        String name =
                value.toString()
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("^(torch\\.)?nn\\.|\\(.*\\)$", "");
        return switch (name) {
            case "silu", "relu", "leakyrelu" -> name;
            default ->
                    throw ModelYamlException.bad(
                            source, "activation " + value + "; known are SiLU, ReLU, LeakyReLU");
        };
    }

    private void rows(String section, List<LayerRow> rows) {
        if (!(map.get(section) instanceof List<?> list) || list.isEmpty()) {
            throw ModelYamlException.bad(source, section + " is missing or empty");
        }
        for (Object row : list) {
            rows.add(row(rows.size(), row));
        }
    }

    private LayerRow row(int index, @Nullable Object row) {
        if (!(row instanceof List<?> parts)
                || parts.size() != 4
                || !(parts.get(1) instanceof Number repeats)
                || !(parts.get(2) instanceof String module)
                || !(parts.get(3) instanceof List<?> arguments)) {
            throw ModelYamlException.badRow(
                    source,
                    index,
                    String.valueOf(row),
                    "a row is [from, number, module, [arguments]]");
        }
        if (repeats.intValue() < 1) {
            throw ModelYamlException.badRow(
                    source, index, row, "number is " + repeats + "; it must be at least 1");
        }
        List<Integer> from = new ArrayList<>();
        for (Object input : parts.get(0) instanceof List<?> many ? many : List.of(parts.get(0))) {
            if (!(input instanceof Integer number)
                    || number >= index
                    || number < -Math.max(index, 1)) {
                throw ModelYamlException.badRow(
                        source, index, row, "from " + input + " is not an earlier layer");
            }
            from.add(number);
        }
        if (from.isEmpty()) {
            throw ModelYamlException.badRow(source, index, row, "from is empty");
        }
        List<Object> values = new ArrayList<>();
        arguments.forEach(value -> values.add(value == null ? "None" : value));
        String simple = module.startsWith("nn.") ? module.substring(3) : module;
        return new LayerRow(
                index, List.copyOf(from), repeats.intValue(), simple, List.copyOf(values));
    }
}
