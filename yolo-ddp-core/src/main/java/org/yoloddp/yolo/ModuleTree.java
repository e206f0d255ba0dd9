package org.yoloddp.yolo;

import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Walks the modules of a pickled model in the order of PyTorch's state dict: own parameters, own
 * buffers, then children.
 */
final class ModuleTree {

    /** Far beyond any real model; a file that shares its modules cleverly could be endless. */
    private static final int MAX_MODULES = 100_000;

    private static final int MAX_DEPTH = 64;

    private final Path file;
    private final Map<String, PickledTensor> tensors = new LinkedHashMap<>();
    private int modules;

    private ModuleTree(Path file) {
        this.file = file;
    }

    static Map<String, PickledTensor> tensors(Path file, PickleInstance root) {
        ModuleTree tree = new ModuleTree(file);
        tree.visit(root, "", 0);
        return tree.tensors;
    }

    private void visit(PickleInstance module, String prefix, int depth) {
        if (depth > MAX_DEPTH || ++modules > MAX_MODULES) {
            throw WeightsException.badStructure(
                    file,
                    "its modules are nested deeper than "
                            + MAX_DEPTH
                            + " or more than "
                            + MAX_MODULES
                            + ", so they probably hold themselves");
        }
        addTensors(module, "_parameters", prefix, Set.of());
        addTensors(module, "_buffers", prefix, notSaved(module));
        for (Map.Entry<?, ?> child : dict(module, "_modules").entrySet()) {
            if (child.getValue() instanceof PickleInstance next) {
                visit(next, prefix + child.getKey() + ".", depth + 1);
            }
        }
    }

    private void addTensors(
            PickleInstance module, String attribute, String prefix, Collection<?> except) {
        for (Map.Entry<?, ?> entry : dict(module, attribute).entrySet()) {
            if (entry.getValue() instanceof PickledTensor tensor
                    && !except.contains(entry.getKey())) {
                tensors.put(prefix + entry.getKey(), tensor);
            }
        }
    }

    private static Collection<?> notSaved(PickleInstance module) {
        Object set = module.attributes().get("_non_persistent_buffers_set");
        if (set instanceof PickleInstance instance
                && !instance.arguments().isEmpty()
                && instance.arguments().get(0) instanceof Collection<?> names) {
            return names;
        }
        return Set.of();
    }

    private static Map<?, ?> dict(PickleInstance module, String attribute) {
        return module.attributes().get(attribute) instanceof Map<?, ?> map ? map : Map.of();
    }
}
