package org.yoloddp.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;
import org.yoloddp.error.ConfigurationException;

/**
 * Hyperparameters by YOLOv5's names. A file may leave some out; the built-in ones then hold.
 *
 * @param values every hyperparameter, in the order in which the built-in file has them
 * @param ignored names of a given file that this version has no use for and that are not zero
 */
record Hyp(Map<String, Double> values, List<String> ignored) {

    /** What YOLOv5's files also hold: augmentations that are not there yet, and an unused one. */
    private static final List<String> UNSUPPORTED =
            List.of(
                    "degrees",
                    "translate",
                    "scale",
                    "shear",
                    "perspective",
                    "mosaic",
                    "mixup",
                    "copy_paste");

    private static final List<String> UNUSED = List.of("iou_t", "anchors");

    static Hyp read(@Nullable Path file) {
        Map<String, Double> values = builtIn();
        if (file == null) {
            return new Hyp(values, List.of());
        }
        Map<String, Double> given = parse(file, text(file));
        List<String> ignored =
                UNSUPPORTED.stream().filter(name -> given.getOrDefault(name, 0.0) != 0).toList();
        for (Map.Entry<String, Double> entry : given.entrySet()) {
            String name = entry.getKey();
            if (values.containsKey(name)) {
                values.put(name, entry.getValue());
            } else if (!UNSUPPORTED.contains(name) && !UNUSED.contains(name)) {
                throw new ConfigurationException(
                        file
                                + " holds '"
                                + name
                                + "', which is no hyperparameter; there are "
                                + String.join(", ", values.keySet()));
            }
        }
        return new Hyp(values, ignored);
    }

    double get(String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private static Map<String, Double> builtIn() {
        try (InputStream stream = Hyp.class.getResourceAsStream("hyp.yaml")) {
            byte[] bytes = Objects.requireNonNull(stream, "hyp.yaml").readAllBytes();
            return parse(Path.of("hyp.yaml"), new String(bytes, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new ConfigurationException(
                    "the hyperparameters " + file + " can't be read: " + e.getMessage());
        }
    }

    private static Map<String, Double> parse(Path file, String text) {
        Object document;
        try {
            document = new Yaml(new SafeConstructor(new LoaderOptions())).load(text);
        } catch (YAMLException e) {
            throw new ConfigurationException(file + " is no YAML: " + e.getMessage());
        }
        if (!(document instanceof Map<?, ?> map)) {
            throw new ConfigurationException(
                    file + " has to hold lines of 'name: number', as YOLOv5's hyp files do");
        }
        Map<String, Double> values = new LinkedHashMap<>();
        map.forEach((name, value) -> values.put(String.valueOf(name), number(file, name, value)));
        return values;
    }

    private static double number(Path file, Object name, @Nullable Object value) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        // YAML 1.1 reads 1e-3, which has no point, as text.
        if (value instanceof String text && text.matches("[-+]?\\d+(\\.\\d*)?[eE][-+]?\\d+")) {
            return Double.parseDouble(text);
        }
        throw new ConfigurationException(
                file + ": '" + name + "' is '" + value + "', but has to be a number");
    }
}
