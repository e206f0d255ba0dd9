package org.yoloddp.natives;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Sets system properties for a while; what was there before comes back on close. */
final class PropertyScope implements AutoCloseable {

    private final Map<String, Optional<String>> before = new LinkedHashMap<>();

    void set(String key, String value) {
        Optional<String> old = Optional.ofNullable(System.setProperty(key, value));
        before.putIfAbsent(key, old);
    }

    /** Sets it unless the user did. */
    void setDefault(String key, String value) {
        if (System.getProperty(key) == null) {
            set(key, value);
        }
    }

    @Override
    public void close() {
        before.forEach(
                (key, value) ->
                        value.ifPresentOrElse(
                                v -> System.setProperty(key, v), () -> System.clearProperty(key)));
    }
}
