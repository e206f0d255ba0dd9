package org.yoloddp.yolo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;
import org.yoloddp.error.ConfigurationException;

/**
 * Hyperparameters by YOLOv5's names: gains of the loss, augmentation, and what the optimizer and
 * its schedule start from. Immutable.
 *
 * <p>Defaults: lr0 0.01, lrf 0.01, momentum 0.937, weight_decay 0.0005, warmup_epochs 3,
 * warmup_momentum 0.8, warmup_bias_lr 0.1, box 0.05, cls 0.5, cls_pw 1, obj 1, obj_pw 1, iou_t 0.2,
 * anchor_t 4, fl_gamma 0, label_smoothing 0, hsv_h 0.015, hsv_s 0.7, hsv_v 0.4, degrees 0,
 * translate 0.1, scale 0.5, shear 0, perspective 0, flipud 0, fliplr 0.5, mosaic 1, mixup 0,
 * copy_paste 0.
 */
public final class Hyp {

    private static final Map<String, Double> DEFAULTS = new LinkedHashMap<>();

    static {
        DEFAULTS.put("lr0", 0.01);
        DEFAULTS.put("lrf", 0.01);
        DEFAULTS.put("momentum", 0.937);
        DEFAULTS.put("weight_decay", 0.0005);
        DEFAULTS.put("warmup_epochs", 3.0);
        DEFAULTS.put("warmup_momentum", 0.8);
        DEFAULTS.put("warmup_bias_lr", 0.1);
        DEFAULTS.put("box", 0.05);
        DEFAULTS.put("cls", 0.5);
        DEFAULTS.put("cls_pw", 1.0);
        DEFAULTS.put("obj", 1.0);
        DEFAULTS.put("obj_pw", 1.0);
        DEFAULTS.put("iou_t", 0.2);
        DEFAULTS.put("anchor_t", 4.0);
        DEFAULTS.put("fl_gamma", 0.0);
        DEFAULTS.put("label_smoothing", 0.0);
        DEFAULTS.put("hsv_h", 0.015);
        DEFAULTS.put("hsv_s", 0.7);
        DEFAULTS.put("hsv_v", 0.4);
        DEFAULTS.put("degrees", 0.0);
        DEFAULTS.put("translate", 0.1);
        DEFAULTS.put("scale", 0.5);
        DEFAULTS.put("shear", 0.0);
        DEFAULTS.put("perspective", 0.0);
        DEFAULTS.put("flipud", 0.0);
        DEFAULTS.put("fliplr", 0.5);
        DEFAULTS.put("mosaic", 1.0);
        DEFAULTS.put("mixup", 0.0);
        DEFAULTS.put("copy_paste", 0.0);
    }

    private final Map<String, Double> values;

    private Hyp(Map<String, Double> values) {
        this.values = Collections.unmodifiableMap(values);
    }

    /**
     * Returns the defaults.
     *
     * @return the hyperparameters for training from scratch
     */
    public static Hyp defaults() {
        return new Hyp(new LinkedHashMap<>(DEFAULTS));
    }

    /**
     * Reads hyperparameters; what the file does not name keeps its default.
     *
     * @param file a yaml of names and numbers, such as YOLOv5's
     * @return the hyperparameters
     * @throws ConfigurationException if the file cannot be read, or holds an unknown name or
     *     something that is not a number
     */
    public static Hyp load(Path file) {
        Object content;
        try {
            content =
                    new Yaml(new SafeConstructor(new LoaderOptions())).load(Files.readString(file));
        } catch (IOException | YAMLException e) {
            throw new ConfigurationException(
                    "cannot read hyperparameters " + file + ": " + e.getMessage());
        }
        if (!(content instanceof Map<?, ?> map)) {
            throw new ConfigurationException(
                    "hyperparameters " + file + " are not a map of names and numbers");
        }
        Hyp result = defaults();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getValue() instanceof Number number)) {
                throw new ConfigurationException(
                        "hyperparameters "
                                + file
                                + ": "
                                + entry.getKey()
                                + " is "
                                + entry.getValue()
                                + ", not a number");
            }
            result = result.with(String.valueOf(entry.getKey()), number.doubleValue());
        }
        return result;
    }

    /**
     * Returns these hyperparameters with another value of one.
     *
     * @param name YOLOv5's name
     * @param value the value, not negative
     * @return the new hyperparameters
     * @throws ConfigurationException if there is no such hyperparameter, or the value is negative
     *     or not finite
     */
    public Hyp with(String name, double value) {
        get(name);
        if (!(value >= 0) || Double.isInfinite(value)) {
            throw new ConfigurationException(
                    "hyperparameter "
                            + name
                            + " is "
                            + value
                            + "; it must be finite and at least 0");
        }
        Map<String, Double> changed = new LinkedHashMap<>(values);
        changed.put(name, value);
        return new Hyp(changed);
    }

    /**
     * Returns one hyperparameter.
     *
     * @param name YOLOv5's name
     * @return its value
     * @throws ConfigurationException if there is no such hyperparameter
     */
    public double get(String name) {
        Double value = values.get(name);
        if (value == null) {
            throw new ConfigurationException(
                    "unknown hyperparameter " + name + "; known are " + values.keySet());
        }
        return value;
    }

    /**
     * Returns all hyperparameters.
     *
     * @return values by name, in a fixed order
     */
    public Map<String, Double> toMap() {
        return values;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Hyp hyp && values.equals(hyp.values);
    }

    @Override
    public int hashCode() {
        return values.hashCode();
    }

    @Override
    public String toString() {
        return values.toString();
    }
}
