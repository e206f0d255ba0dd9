package org.yoloddp.yolo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a pickle says about an object of an allowed class: its name, constructor arguments and
 * attributes. It is a record of facts; no such object is ever built.
 */
final class PickleInstance {

    private final String className;
    private final List<Object> arguments;
    private final Map<Object, Object> attributes = new LinkedHashMap<>();

    PickleInstance(String className, List<Object> arguments) {
        this.className = className;
        this.arguments = arguments;
    }

    String className() {
        return className;
    }

    List<Object> arguments() {
        return arguments;
    }

    Map<Object, Object> attributes() {
        return attributes;
    }

    @Override
    public String toString() {
        return className;
    }
}
