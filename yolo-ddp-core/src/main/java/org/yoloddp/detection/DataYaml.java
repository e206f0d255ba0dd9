package org.yoloddp.detection;

import java.io.IOException;
import java.io.Reader;
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
 * The description of a data set.
 *
 * @param file where it was read
 * @param names the class names by index
 * @param splits folders, images or lists of images, by split
 */
record DataYaml(Path file, List<String> names, Map<String, List<Path>> splits) {

    private static final List<String> SPLITS = List.of("train", "val", "test");

    static DataYaml read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw DatasetException.noYaml(file);
        }
        Object content;
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            content = new Yaml(new SafeConstructor(new LoaderOptions())).load(reader);
        } catch (YAMLException e) {
            throw DatasetException.badYaml(file, String.valueOf(e.getMessage()), e);
        } catch (IOException e) {
            throw DatasetException.unreadable(file, e);
        }
        if (!(content instanceof Map<?, ?> map)) {
            throw DatasetException.badYaml(file, "it holds no keys", null);
        }
        for (String key : List.of("train", "val", "names")) {
            if (map.get(key) == null) {
                throw DatasetException.missingKey(file, key);
            }
        }
        Path root = file.toAbsolutePath().normalize().getParent();
        if (map.get("path") != null) {
            root = root.resolve(String.valueOf(map.get("path"))).normalize();
        }
        Map<String, List<Path>> splits = new LinkedHashMap<>();
        for (String split : SPLITS) {
            List<Path> paths = paths(file, split, root, map.get(split));
            if (!paths.isEmpty()) {
                splits.put(split, paths);
            }
        }
        List<String> names = names(file, map.get("names"));
        checkCount(file, names, map.get("nc"));
        return new DataYaml(file, names, Collections.unmodifiableMap(splits));
    }

    private static List<Path> paths(Path file, String split, Path root, @Nullable Object value) {
        List<?> entries =
                value instanceof List<?> list ? list : value == null ? List.of() : List.of(value);
        List<Path> result = new ArrayList<>();
        for (Object entry : entries) {
            String text = String.valueOf(entry);
            Path path = root.resolve(text).normalize();
            // exports of Roboflow write ../train/images for a folder beside data.yaml
            if (!Files.exists(path) && text.startsWith("../")) {
                Path beside = root.resolve(text.substring(3)).normalize();
                path = Files.exists(beside) ? beside : path;
            }
            result.add(path);
        }
        if (value != null && result.isEmpty()) {
            throw DatasetException.badYaml(file, "'" + split + "' is an empty list", null);
        }
        return result;
    }

    private static List<String> names(Path file, @Nullable Object value) {
        if (value instanceof List<?> list && !list.isEmpty()) {
            return list.stream().map(String::valueOf).toList();
        }
        if (value instanceof Map<?, ?> map && !map.isEmpty()) {
            List<String> names = new ArrayList<>();
            for (int i = 0; i < map.size(); i++) {
                Object name = map.get(i);
                if (name == null) {
                    throw DatasetException.badYaml(
                            file,
                            "the keys of 'names' have to be 0 to "
                                    + (map.size() - 1)
                                    + ", but "
                                    + i
                                    + " is missing",
                            null);
                }
                names.add(String.valueOf(name));
            }
            return List.copyOf(names);
        }
        throw DatasetException.badYaml(
                file, "'names' has to be a list, or a map from class index to name", null);
    }

    private static void checkCount(Path file, List<String> names, @Nullable Object count) {
        if (count != null && !count.equals(names.size())) {
            throw DatasetException.badYaml(
                    file,
                    "'nc' is " + count + ", but 'names' has " + names.size() + " entries",
                    null);
        }
    }
}
