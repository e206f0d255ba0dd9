package org.yoloddp.yolo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a YOLOv5 model, read from a checkpoint of YOLOv5 ({@code .pt}) or from a
 * safetensors file. Plain data; nothing that a checkpoint contains is executed.
 */
public final class YoloV5Weights {

    private final Path file;
    private final Map<String, WeightTensor> tensors;
    private final List<String> names;
    private final @Nullable ModelYaml yaml;

    YoloV5Weights(
            Path file,
            Map<String, WeightTensor> tensors,
            List<String> names,
            @Nullable Map<String, Object> yaml) {
        this.file = file;
        this.tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
        this.names = List.copyOf(names);
        this.yaml = yaml == null ? null : ModelYaml.of("in " + file, yaml);
    }

    /**
     * Reads a file of weights.
     *
     * @param file a checkpoint of YOLOv5, or a safetensors file with YOLOv5's names
     * @return the weights
     * @throws WeightsException if the file is missing, damaged, too big, or asks for anything that
     *     a checkpoint does not need
     */
    public static YoloV5Weights read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw WeightsException.unusable(file, "there is no such file of weights");
        }
        return file.toString().endsWith(".safetensors")
                ? SafetensorsWeights.read(file)
                : Checkpoint.read(file);
    }

    /**
     * Returns where the weights came from.
     *
     * @return the file
     */
    public Path file() {
        return file;
    }

    /**
     * Returns the tensors.
     *
     * @return by name, in the order of YOLOv5's state dict
     */
    public Map<String, WeightTensor> tensors() {
        return tensors;
    }

    /**
     * Returns the names of the classes.
     *
     * @return the names; empty if the file holds none
     */
    public List<String> names() {
        return names;
    }

    /**
     * Returns the number of classes.
     *
     * @return the number of classes, or 0 if the tensors don't tell
     */
    public int classes() {
        return yaml != null ? yaml.classes() : VariantGuess.classes(tensors);
    }

    /**
     * Returns the description of the model.
     *
     * @return the description that the file holds, else that of the model of this library with just
     *     these names and shapes, if there is one
     */
    public Optional<ModelYaml> yaml() {
        return Optional.ofNullable(yaml != null ? yaml : VariantGuess.of(tensors));
    }
}
