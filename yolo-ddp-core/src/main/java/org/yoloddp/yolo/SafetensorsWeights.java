package org.yoloddp.yolo;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.Gson;
import com.google.gson.JsonSyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;
import org.yoloddp.torch.SafetensorsException;
import org.yoloddp.torch.SafetensorsFile;

/** Weights in a safetensors file, with class names and model description in its metadata. */
final class SafetensorsWeights {

    private static final String NAMES = "names";
    private static final String YAML = "yaml";

    private SafetensorsWeights() {}

    /** What goes into the metadata; JSON, which is YAML as well. */
    static Map<String, String> metadata(ModelYaml yaml, List<String> names) {
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(NAMES, new Gson().toJson(names));
        metadata.put(YAML, new Gson().toJson(yaml.toMap()));
        return metadata;
    }

    static YoloV5Weights read(Path file) {
        SafetensorsFile content;
        try {
            content = SafetensorsFile.read(file);
        } catch (SafetensorsException e) {
            throw new WeightsException(e.getMessage(), e);
        }
        Map<String, WeightTensor> tensors = new LinkedHashMap<>();
        for (String name : content.names()) {
            boolean whole = content.dtype(name) == SafetensorsFile.Type.I64;
            tensors.put(
                    name,
                    new WeightTensor(
                            name,
                            new Shape(content.shape(name)),
                            whole ? DataType.INT64 : DataType.FLOAT32,
                            () -> content.floats(name),
                            () -> content.longs(name)));
        }
        return new YoloV5Weights(
                file,
                tensors,
                names(file, content.metadata().get(NAMES)),
                yaml(file, content.metadata().get(YAML)));
    }

    private static List<String> names(Path file, @Nullable String json) {
        if (json == null) {
            return List.of();
        }
        try {
            return new ArrayList<>(List.of(new Gson().fromJson(json, String[].class)));
        } catch (JsonSyntaxException | NullPointerException e) {
            throw WeightsException.badStructure(file, "its metadata has no list of class names");
        }
    }

    private static @Nullable Map<String, Object> yaml(Path file, @Nullable String text) {
        if (text == null) {
            return null;
        }
        try {
            Map<String, Object> result = new LinkedHashMap<>();
            if (new Yaml(new SafeConstructor(new LoaderOptions())).load(text)
                    instanceof Map<?, ?> map) {
                map.forEach((key, value) -> result.put(String.valueOf(key), value));
                return result;
            }
        } catch (YAMLException e) {
            throw WeightsException.badStructure(file, "its metadata has no model description");
        }
        throw WeightsException.badStructure(file, "its metadata has no model description");
    }
}
