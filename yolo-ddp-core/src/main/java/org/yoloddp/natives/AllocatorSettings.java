package org.yoloddp.natives;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The environment that decides how fast big tensors are allocated on Linux.
 *
 * <p>Java threads live in glibc's secondary arenas, where big activations are mapped and unmapped
 * in every step. The recommended settings keep the pages and are worth up to a factor of two. They
 * are read when a process starts, so a running one cannot change them.
 *
 * @param values what is set, by name; null where it is not
 * @param replacement a library that replaces glibc's allocator (of {@code LD_PRELOAD}), or null
 */
public record AllocatorSettings(
        Map<String, @Nullable String> values, @Nullable String replacement) {

    private static final Map<String, String> RECOMMENDED = recommendation();

    /**
     * Returns what the start script sets.
     *
     * @return environment variables and values, in order
     */
    public static Map<String, String> recommended() {
        return RECOMMENDED;
    }

    /**
     * Reads this process's environment.
     *
     * @return its settings
     */
    public static AllocatorSettings current() {
        return of(System.getenv());
    }

    static AllocatorSettings of(Map<String, String> environment) {
        Map<String, @Nullable String> values = new LinkedHashMap<>();
        for (String name : RECOMMENDED.keySet()) {
            values.put(name, environment.get(name));
        }
        String preload = environment.getOrDefault("LD_PRELOAD", "");
        boolean replaced = preload.contains("jemalloc") || preload.contains("tcmalloc");
        return new AllocatorSettings(values, replaced ? preload : null);
    }

    /**
     * Tells whether the recommended settings, or another allocator, are in force.
     *
     * @return false if steps are likely to be slower than need be
     */
    public boolean asRecommended() {
        return replacement != null || RECOMMENDED.equals(values);
    }

    private static Map<String, String> recommendation() {
        Map<String, String> map = new LinkedHashMap<>();
        map.put("MALLOC_ARENA_MAX", "1");
        map.put("MALLOC_MMAP_THRESHOLD_", "4294967296");
        map.put("MALLOC_TRIM_THRESHOLD_", "8589934592");
        return java.util.Collections.unmodifiableMap(map);
    }
}
