package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.PairList;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;

/**
 * The arrays of a block by name, in the block's order. The list never changes, the arrays' elements
 * do; they belong to the block.
 */
public final class StateDict {

    private final List<Entry> entries;
    private final Map<String, Entry> byName;

    private StateDict(List<Entry> entries) {
        this.entries = List.copyOf(entries);
        byName = new LinkedHashMap<>();
        for (Entry entry : entries) {
            if (byName.put(entry.name(), entry) != null) {
                throw TorchException.duplicateEntry(entry.name());
            }
        }
    }

    /**
     * One array of a block.
     *
     * @param name as the block calls it
     * @param array belongs to the block
     * @param buffer whether it is state that no optimizer changes (running statistics)
     * @param trainable whether it requires a gradient; a frozen parameter does not
     */
    public record Entry(String name, NDArray array, boolean buffer, boolean trainable) {}

    /**
     * Lists the arrays of a block, in the order of {@link Block#getParameters()}.
     *
     * @param initialised a block whose parameters have arrays
     * @return its state
     */
    public static StateDict of(Block initialised) {
        List<Entry> entries = new ArrayList<>();
        PairList<String, Parameter> parameters = initialised.getParameters();
        for (int i = 0; i < parameters.size(); i++) {
            Parameter parameter = parameters.valueAt(i);
            entries.add(
                    new Entry(
                            parameters.keyAt(i),
                            parameter.getArray(),
                            isBuffer(parameter),
                            parameter.requiresGradient()));
        }
        return new StateDict(entries);
    }

    /**
     * Lists given arrays.
     *
     * @param entries in order, of different names
     * @return a state
     */
    public static StateDict of(List<Entry> entries) {
        return new StateDict(entries);
    }

    private static boolean isBuffer(Parameter parameter) {
        return switch (parameter.getType()) {
            case RUNNING_MEAN, RUNNING_VAR -> true;
            case OTHER -> !parameter.requiresGradient();
            default -> false;
        };
    }

    /**
     * Returns all arrays.
     *
     * @return entries, in order
     */
    public List<Entry> entries() {
        return entries;
    }

    /**
     * Returns what is no buffer.
     *
     * @return entries, in order
     */
    public List<Entry> parameters() {
        return entries.stream().filter(e -> !e.buffer()).toList();
    }

    /**
     * Returns what requires a gradient. An array that several parameters share is listed once,
     * under its first name: it has one gradient and is updated once.
     *
     * @return entries, in order
     */
    public List<Entry> trainable() {
        Set<Long> seen = new HashSet<>();
        return entries.stream()
                .filter(Entry::trainable)
                .filter(entry -> seen.add(identity(entry.array())))
                .toList();
    }

    /**
     * Returns which entries share their array with an earlier one: handles of the same tensor, to
     * autograd one parameter, not only views of the same memory.
     *
     * @return the name of the first entry of an array, by the names of the others
     */
    public Map<String, String> aliases() {
        Map<Long, String> first = new HashMap<>();
        Map<String, String> aliases = new LinkedHashMap<>();
        for (Entry entry : entries) {
            String other = first.putIfAbsent(identity(entry.array()), entry.name());
            if (other != null) {
                aliases.put(entry.name(), other);
            }
        }
        return aliases;
    }

    private static long identity(NDArray array) {
        return Tensors.view(array).unsafeGetTensorImpl().address();
    }

    /**
     * Returns the buffers.
     *
     * @return entries, in order
     */
    public List<Entry> buffers() {
        return entries.stream().filter(Entry::buffer).toList();
    }

    /**
     * Returns an entry.
     *
     * @param name of the entry
     * @return the entry
     * @throws TorchException if there is none
     */
    public Entry get(String name) {
        Entry entry = byName.get(name);
        if (entry == null) {
            throw TorchException.noSuchEntry(name);
        }
        return entry;
    }

    /**
     * Tells whether there is an entry of a name.
     *
     * @param name of the entry
     * @return whether {@link #get} finds it
     */
    public boolean contains(String name) {
        return byName.containsKey(name);
    }

    /**
     * Copies all elements into the arrays of the same names, in place. Types and layouts may
     * differ, shapes may not; nothing is copied unless everything fits.
     *
     * @param target has at least these names
     * @throws TorchException if it lacks a name, or a shape differs
     */
    public void copyInto(StateDict target) {
        for (Entry from : entries) {
            Entry to = target.get(from.name());
            if (!to.array().getShape().equals(from.array().getShape())) {
                throw TorchException.shapesDiffer(
                        from.name(), from.array().getShape(), to.array().getShape());
            }
        }
        try (GradMode off = GradMode.disabled()) {
            for (Entry from : entries) {
                Tensor to = Tensors.view(target.get(from.name()).array());
                to.copy_(Tensors.view(from.array()));
            }
        }
    }

    /**
     * Returns a checksum of entries: SHA-256 over their little-endian bytes in order, each array in
     * logical (row-major) order.
     *
     * @param entries for instance {@link #parameters()}
     * @return 64 hexadecimal digits
     */
    public static String sha256(List<Entry> entries) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
        for (Entry entry : entries) {
            ForeignMemory.forEachChunk(entry.array(), digest::update);
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
