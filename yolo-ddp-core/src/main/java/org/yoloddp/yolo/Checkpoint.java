package org.yoloddp.yolo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads a checkpoint of YOLOv5 ({@code .pt}) by the restricted unpickler. */
final class Checkpoint {

    private static final int MAX_YAML_DEPTH = 16;
    private static final int MAX_YAML_VALUES = 100_000;

    private final Path file;
    private int yamlValues;

    private Checkpoint(Path file) {
        this.file = file;
    }

    static YoloV5Weights read(Path file) {
        try (TorchArchive archive = TorchArchive.open(file)) {
            return new Checkpoint(file).read(archive);
        }
    }

    private YoloV5Weights read(TorchArchive archive) {
        PickleInstance model = model(new PickleReader(file, archive.pickle()).read());
        Map<String, WeightTensor> tensors = new LinkedHashMap<>();
        ModuleTree.tensors(file, model)
                .forEach(
                        (name, tensor) ->
                                tensors.put(name, WeightTensor.of(file, name, tensor, archive)));
        if (tensors.isEmpty()) {
            throw WeightsException.badStructure(file, "its model has no tensors");
        }
        Object yaml = model.attributes().get("yaml");
        return new YoloV5Weights(
                file,
                tensors,
                names(model.attributes().get("names")),
                yaml instanceof Map<?, ?> ? plainMap(yaml) : null);
    }

    /** The averaged model where a run was saved halfway, as YOLOv5 itself detects with it. */
    private PickleInstance model(Object root) {
        if (root instanceof PickleInstance instance) {
            return instance;
        }
        if (root instanceof Map<?, ?> map) {
            if (map.get("ema") instanceof PickleInstance instance) {
                return instance;
            }
            if (map.get("model") instanceof PickleInstance instance) {
                return instance;
            }
        }
        throw WeightsException.badStructure(file, "no model under \"model\" or \"ema\"");
    }

    private List<String> names(@Nullable Object names) {
        List<String> result = new ArrayList<>();
        Iterable<?> values =
                names instanceof Map<?, ?> map
                        ? map.values()
                        : names instanceof List<?> list ? list : List.of();
        for (Object name : values) {
            if (!(name instanceof String text)) {
                throw WeightsException.badStructure(file, "a class name that is not text");
            }
            result.add(text);
        }
        return result;
    }

    @SuppressWarnings("unchecked")
    private Map<String, Object> plainMap(Object yaml) {
        return (Map<String, Object>) plain(yaml, 0);
    }

    /** Maps, lists, text and numbers, as a YAML file would give them. */
    private Object plain(Object value, int depth) {
        if (depth > MAX_YAML_DEPTH || ++yamlValues > MAX_YAML_VALUES) {
            throw WeightsException.badStructure(
                    file, "its yaml is nested too deep or too long, so it probably holds itself");
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> result = new LinkedHashMap<>();
            map.forEach((key, item) -> result.put(key.toString(), plain(item, depth + 1)));
            return result;
        }
        if (value instanceof List<?> list) {
            List<Object> result = new ArrayList<>();
            list.forEach(item -> result.add(plain(item, depth + 1)));
            return result;
        }
        if (value instanceof Long number && number == number.intValue()) {
            return number.intValue();
        }
        return value == PickleReader.NONE || value instanceof PickleInstance
                ? String.valueOf(value)
                : value;
    }
}
