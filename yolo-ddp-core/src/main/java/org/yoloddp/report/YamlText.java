package org.yoloddp.report;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;

/** Settings as YAML in block style, in the order given. */
final class YamlText {

    private YamlText() {}

    static String of(Map<String, ?> values) {
        DumperOptions options = new DumperOptions();
        options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
        options.setSplitLines(false);
        options.setLineBreak(DumperOptions.LineBreak.UNIX);
        return values.isEmpty() ? "" : new Yaml(options).dump(plain(values));
    }

    /** Only what YAML knows without a tag; everything else as its text. */
    private static @Nullable Object plain(@Nullable Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return value;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, @Nullable Object> result = new LinkedHashMap<>();
            map.forEach((key, entry) -> result.put(String.valueOf(key), plain(entry)));
            return result;
        }
        if (value instanceof Collection<?> collection) {
            List<@Nullable Object> result = new ArrayList<>();
            collection.forEach(entry -> result.add(plain(entry)));
            return result;
        }
        return value.toString();
    }
}
