package org.yoloddp.yolo;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/**
 * A model description in YOLOv5's format: number of classes, depth and width multiple, anchors, and
 * the rows of backbone and head. Immutable.
 */
public final class ModelYaml {

    private final String source;
    private final int classes;
    private final double depthMultiple;
    private final double widthMultiple;
    private final double[][] anchors;
    private final String activation;
    private final List<LayerRow> rows;

    private ModelYaml(
            String source,
            int classes,
            double depthMultiple,
            double widthMultiple,
            double[][] anchors,
            String activation,
            List<LayerRow> rows) {
        this.source = source;
        this.classes = classes;
        this.depthMultiple = depthMultiple;
        this.widthMultiple = widthMultiple;
        this.anchors = anchors;
        this.activation = activation;
        this.rows = rows;
    }

    /**
     * Reads a description by the name of a model that comes with this library, or by its path.
     *
     * @param nameOrPath {@code yolov5n}, {@code s}, {@code m}, {@code l}, {@code x} with or without
     *     {@code .yaml}, or a file
     * @return the description
     * @throws ModelYamlException if there is no such model, or it cannot be read
     */
    public static ModelYaml load(String nameOrPath) {
        Path file = Path.of(nameOrPath);
        if (Files.isRegularFile(file)) {
            return load(file);
        }
        String name = nameOrPath.endsWith(".yaml") ? nameOrPath : nameOrPath + ".yaml";
        if (!name.matches("yolov5[a-z0-9]+\\.yaml")) {
            throw ModelYamlException.unknownModel(nameOrPath);
        }
        try (InputStream in = ModelYaml.class.getResourceAsStream(name)) {
            if (in == null) {
                throw ModelYamlException.unknownModel(nameOrPath);
            }
            return parse(name, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw ModelYamlException.unreadable(name, e);
        }
    }

    /**
     * Reads a description.
     *
     * @param file a model yaml
     * @return the description
     * @throws ModelYamlException if it cannot be read
     */
    public static ModelYaml load(Path file) {
        try {
            return parse(file.toString(), Files.readString(file));
        } catch (IOException e) {
            throw ModelYamlException.unreadable(file.toString(), e);
        }
    }

    /**
     * Reads a description from text.
     *
     * @param source what to call it in messages
     * @param text the yaml
     * @return the description
     * @throws ModelYamlException if it is not a model description
     */
    public static ModelYaml parse(String source, String text) {
        Object content;
        try {
            LoaderOptions options = new LoaderOptions();
            options.setAllowDuplicateKeys(false);
            content = new Yaml(new SafeConstructor(options)).load(text);
        } catch (YAMLException e) {
            throw ModelYamlException.unreadable(source, e);
        }
        if (!(content instanceof Map<?, ?> map)) {
            throw ModelYamlException.bad(source, "it is not a map with backbone and head");
        }
        return of(source, map);
    }

    /** Takes a description that was read already, as checkpoints hold it. */
    static ModelYaml of(String source, Map<?, ?> map) {
        return new ModelYamlReader(source, map).read();
    }

    static ModelYaml of(
            String source,
            int classes,
            double depthMultiple,
            double widthMultiple,
            double[][] anchors,
            String activation,
            List<LayerRow> rows) {
        return new ModelYaml(
                source,
                classes,
                depthMultiple,
                widthMultiple,
                anchors,
                activation,
                List.copyOf(rows));
    }

    /**
     * Returns the same description for another number of classes.
     *
     * @param number number of classes, at least 1
     * @return the description
     * @throws ModelYamlException if the number is below 1
     */
    public ModelYaml withClasses(int number) {
        if (number < 1) {
            throw ModelYamlException.bad(source, "nc is " + number + "; it must be at least 1");
        }
        return new ModelYaml(
                source, number, depthMultiple, widthMultiple, anchors, activation, rows);
    }

    /**
     * Returns the same description with other anchors.
     *
     * @param pixels by level: width, height, width, height… in pixels
     * @return the description
     */
    public ModelYaml withAnchors(double[][] pixels) {
        return new ModelYaml(
                source,
                classes,
                depthMultiple,
                widthMultiple,
                ModelYamlReader.checkAnchors(source, copy(pixels)),
                activation,
                rows);
    }

    /**
     * Returns where the description came from.
     *
     * @return a file, or the name of a model of this library
     */
    public String source() {
        return source;
    }

    /**
     * Returns the number of classes.
     *
     * @return the number of classes
     */
    public int classes() {
        return classes;
    }

    /**
     * Returns the depth multiple.
     *
     * @return by what repeats are multiplied
     */
    public double depthMultiple() {
        return depthMultiple;
    }

    /**
     * Returns the width multiple.
     *
     * @return by what channels are multiplied
     */
    public double widthMultiple() {
        return widthMultiple;
    }

    /**
     * Returns the anchors.
     *
     * @return by level: width, height, width, height… in pixels
     */
    public double[][] anchors() {
        return copy(anchors);
    }

    /** Name of the activation of convolutions: silu, relu or leakyRelu. */
    String activation() {
        return activation;
    }

    List<LayerRow> rows() {
        return rows;
    }

    /**
     * Returns the description as maps, lists and numbers, in YOLOv5's format.
     *
     * @return nc, depth_multiple, width_multiple, anchors, backbone (all rows but the last) and
     *     head
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("nc", classes);
        map.put("depth_multiple", depthMultiple);
        map.put("width_multiple", widthMultiple);
        map.put("activation", activation);
        List<List<Double>> levels = new ArrayList<>();
        for (double[] level : anchors) {
            List<Double> values = new ArrayList<>();
            for (double value : level) {
                values.add(value);
            }
            levels.add(values);
        }
        map.put("anchors", levels);
        List<List<Object>> all = new ArrayList<>();
        for (LayerRow row : rows) {
            Object from = row.from().size() == 1 ? row.from().get(0) : row.from();
            all.add(List.of(from, row.repeats(), row.module(), row.arguments()));
        }
        map.put("backbone", all.subList(0, all.size() - 1));
        map.put("head", all.subList(all.size() - 1, all.size()));
        return Collections.unmodifiableMap(map);
    }

    private static double[][] copy(double[][] values) {
        double[][] result = values.clone();
        for (int i = 0; i < result.length; i++) {
            result[i] = result[i].clone();
        }
        return result;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ModelYaml yaml && toMap().equals(yaml.toMap());
    }

    @Override
    public int hashCode() {
        return toMap().hashCode();
    }

    @Override
    public String toString() {
        return source + " (" + classes + " classes, " + rows.size() + " layers)";
    }
}
