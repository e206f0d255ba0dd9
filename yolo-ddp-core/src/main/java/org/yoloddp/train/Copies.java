package org.yoloddp.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Copies for records that nobody can change. */
final class Copies {

    private Copies() {}

    /** Copies a map, keeping its order. */
    static <K, V> Map<K, V> of(Map<K, V> map) {
        return Collections.unmodifiableMap(new LinkedHashMap<>(map));
    }
}
