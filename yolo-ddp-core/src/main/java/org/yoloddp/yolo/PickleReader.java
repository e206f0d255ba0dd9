package org.yoloddp.yolo;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the pickle (protocol 2) of a checkpoint without executing anything.
 *
 * <p>A pickle is a program for a stack machine; what makes it dangerous is that it may name any
 * callable and have it called. Here a name must be on the list of {@link PickleGlobals}, and a call
 * only notes what was asked for. Each opcode is at least a byte and makes at most one object, so
 * memory is bounded by the length of the input; nothing is visited recursively, so nesting and
 * cycles do no harm here.
 */
final class PickleReader {

    private static final Object MARK =
            new Object() {
                @Override
                public String toString() {
                    return "mark";
                }
            };

    /** Python's None. */
    static final Object NONE =
            new Object() {
                @Override
                public String toString() {
                    return "None";
                }
            };

    /** A global that the pickle named; it is on the list. */
    record Global(String name) {}

    private final Path file;
    private final ByteBuffer in;
    private final List<Object> stack = new ArrayList<>();
    private final Map<Integer, Object> memo = new HashMap<>();

    PickleReader(Path file, byte[] pickle) {
        this.file = file;
        this.in = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Returns the object that the pickle describes. */
    Object read() {
        try {
            while (true) {
                int opcode = in.get() & 0xff;
                if (opcode == '.') {
                    return pop();
                }
                execute(opcode);
            }
        } catch (BufferUnderflowException e) {
            throw malformed("it ends in the middle of an object");
        }
    }

    private void execute(int opcode) {
        switch (opcode) {
            case 0x80 -> protocol(unsignedByte());
            case '(' -> stack.add(MARK);
            case 'N' -> stack.add(NONE);
            case 0x88 -> stack.add(true);
            case 0x89 -> stack.add(false);
            case 'J' -> stack.add((long) in.getInt());
            case 'K' -> stack.add((long) unsignedByte());
            case 'M' -> stack.add((long) in.getShort() & 0xffff);
            case 0x8a -> stack.add(integer(unsignedByte()));
            case 'G' -> stack.add(bigEndianDouble());
            case 'X' -> stack.add(string(in.getInt(), StandardCharsets.UTF_8));
            case 'U' -> stack.add(string(unsignedByte(), StandardCharsets.ISO_8859_1));
            case 'T' -> stack.add(string(in.getInt(), StandardCharsets.ISO_8859_1));
            case ')' -> stack.add(List.of());
            case 0x85 -> tuple(stack.size() - 1);
            case 0x86 -> tuple(stack.size() - 2);
            case 0x87 -> tuple(stack.size() - 3);
            case 't' -> {
                int mark = mark();
                tuple(mark);
                dropMark(mark);
            }
            case ']' -> stack.add(new ArrayList<>());
            case '}' -> stack.add(new LinkedHashMap<>());
            case 'a' -> append(stack.size() - 1);
            case 'e' -> {
                int mark = mark();
                append(mark);
                dropMark(mark);
            }
            case 's' -> setItems(stack.size() - 2);
            case 'u' -> {
                int mark = mark();
                setItems(mark);
                dropMark(mark);
            }
            case 'q' -> memo.put(unsignedByte(), top());
            case 'r' -> memo.put(in.getInt(), top());
            case 'h' -> stack.add(recall(unsignedByte()));
            case 'j' -> stack.add(recall(in.getInt()));
            case '0' -> pop();
            case '2' -> stack.add(top());
            case 'c' -> global();
            case 'Q' -> stack.add(storage(pop()));
            case 0x81, 'R' -> call();
            case 'b' -> build();
            default ->
                    throw malformed(
                            "opcode 0x" + Integer.toHexString(opcode) + " is not used by PyTorch");
        }
    }

    private void protocol(int version) {
        if (version != 2) {
            throw malformed("protocol " + version + ", where PyTorch writes 2");
        }
    }

    private void global() {
        long position = in.position() - 1L;
        String name = line() + " " + line();
        if (!PickleGlobals.allowed(name)) {
            throw WeightsException.forbiddenGlobal(file, name.replace(' ', '.'), position);
        }
        stack.add(new Global(name));
    }

    private void call() {
        if (!(pop() instanceof List<?> arguments) || !(pop() instanceof Global callable)) {
            throw malformed("a call that is not of a global with a tuple of arguments");
        }
        String name = callable.name();
        stack.add(
                switch (name) {
                    case PickleGlobals.ORDERED_DICT -> orderedDict(arguments);
                    case PickleGlobals.REBUILD_TENSOR -> tensor(arguments);
                    case PickleGlobals.REBUILD_PARAMETER -> parameter(arguments);
                    default -> new PickleInstance(name, Collections.unmodifiableList(arguments));
                });
    }

    private Object orderedDict(List<?> arguments) {
        Map<Object, Object> result = new LinkedHashMap<>();
        if (!arguments.isEmpty()) {
            if (!(arguments.get(0) instanceof List<?> pairs)) {
                throw malformed("an OrderedDict that is not made of pairs");
            }
            for (Object pair : pairs) {
                if (!(pair instanceof List<?> two) || two.size() != 2) {
                    throw malformed("an OrderedDict that is not made of pairs");
                }
                result.put(key(two.get(0)), two.get(1));
            }
        }
        return result;
    }

    private Object tensor(List<?> arguments) {
        if (arguments.size() < 4
                || !(arguments.get(0) instanceof PickledStorage storage)
                || !(arguments.get(1) instanceof Long offset)) {
            throw malformed("a tensor without storage, offset, shape and strides");
        }
        return new PickledTensor(
                storage, offset, numbers(arguments.get(2)), numbers(arguments.get(3)));
    }

    private Object parameter(List<?> arguments) {
        if (arguments.isEmpty() || !(arguments.get(0) instanceof PickledTensor tensor)) {
            throw malformed("a parameter without a tensor");
        }
        return tensor;
    }

    private PickledStorage storage(Object reference) {
        if (reference instanceof List<?> parts
                && parts.size() == 5
                && "storage".equals(parts.get(0))
                && parts.get(1) instanceof Global global
                && parts.get(2) instanceof String key
                && parts.get(4) instanceof Long count
                && count >= 0) {
            StorageType type = PickleGlobals.storage(global.name());
            if (type != null) {
                return new PickledStorage(type, key, count);
            }
        }
        throw malformed("a persistent reference that is not a storage");
    }

    private long[] numbers(Object tuple) {
        if (!(tuple instanceof List<?> list)) {
            throw malformed("a shape that is not a tuple");
        }
        long[] result = new long[list.size()];
        for (int i = 0; i < result.length; i++) {
            if (!(list.get(i) instanceof Long number)) {
                throw malformed("a shape with something that is not a number");
            }
            result[i] = number;
        }
        return result;
    }

    private void build() {
        Object state = pop();
        if (top() instanceof PickleInstance instance && state instanceof Map<?, ?> attributes) {
            instance.attributes().putAll(attributes);
        }
    }

    private void tuple(int from) {
        List<Object> items = take(from);
        stack.add(Collections.unmodifiableList(items));
    }

    @SuppressWarnings("unchecked")
    private void append(int from) {
        List<Object> items = take(from);
        if (!(top(items) instanceof ArrayList<?> list)) {
            throw malformed("items for something that is not a list");
        }
        ((List<Object>) list).addAll(items);
    }

    @SuppressWarnings("unchecked")
    private void setItems(int from) {
        List<Object> items = take(from);
        if (!(top(items) instanceof Map<?, ?> map) || items.size() % 2 != 0) {
            throw malformed("items for something that is not a dict");
        }
        for (int i = 0; i < items.size(); i += 2) {
            ((Map<Object, Object>) map).put(key(items.get(i)), items.get(i + 1));
        }
    }

    /** A container as a key would be hashed by its content, which may hold itself. */
    private Object key(Object key) {
        if (key instanceof String
                || key instanceof Long
                || key instanceof Double
                || key instanceof Boolean
                || key == NONE) {
            return key;
        }
        throw malformed("a dict key that is neither text nor a number");
    }

    /** Removes and returns what lies on the stack from an index on. */
    private List<Object> take(int from) {
        if (from < 0) {
            throw malformed("the stack is empty");
        }
        List<Object> tail = stack.subList(from, stack.size());
        List<Object> items = new ArrayList<>(tail);
        tail.clear();
        if (items.contains(MARK)) {
            throw malformed("a mark in place of an object");
        }
        return items;
    }

    /** The container under the items: below their mark, which is still there, or right on top. */
    private Object top(List<Object> items) {
        int at = stack.size() - 1;
        if (at >= 0 && stack.get(at) == MARK) {
            at--;
        }
        if (at < 0 || items.isEmpty() && at == stack.size() - 1) {
            throw malformed("the stack is empty");
        }
        return stack.get(at);
    }

    private int mark() {
        for (int i = stack.size() - 1; i >= 0; i--) {
            if (stack.get(i) == MARK) {
                return i + 1;
            }
        }
        throw malformed("no mark on the stack");
    }

    /** Removes a mark; what was made of the objects above it slides down. */
    private void dropMark(int above) {
        stack.remove(above - 1);
    }

    private Object top() {
        if (stack.isEmpty() || stack.get(stack.size() - 1) == MARK) {
            throw malformed("the stack is empty");
        }
        return stack.get(stack.size() - 1);
    }

    private Object pop() {
        Object object = top();
        stack.remove(stack.size() - 1);
        return object;
    }

    private Object recall(int index) {
        Object object = memo.get(index);
        if (object == null) {
            throw malformed("nothing was memorised as " + index);
        }
        return object;
    }

    private int unsignedByte() {
        return in.get() & 0xff;
    }

    private long integer(int length) {
        if (length > 8) {
            throw malformed("an integer of " + length + " bytes");
        }
        long value = 0;
        for (int i = 0; i < length; i++) {
            value |= (long) unsignedByte() << 8 * i;
        }
        int unused = 64 - 8 * length;
        return length == 0 ? 0 : value << unused >> unused;
    }

    private double bigEndianDouble() {
        return Double.longBitsToDouble(Long.reverseBytes(in.getLong()));
    }

    private String string(int length, Charset charset) {
        if (length < 0 || length > in.remaining()) {
            throw malformed("text of " + Integer.toUnsignedString(length) + " bytes");
        }
        byte[] bytes = new byte[length];
        in.get(bytes);
        return new String(bytes, charset);
    }

    private String line() {
        int start = in.position();
        while (in.get() != '\n') {
            // the position moves on
        }
        return new String(in.array(), start, in.position() - 1 - start, StandardCharsets.UTF_8);
    }

    private WeightsException malformed(String what) {
        return WeightsException.badPickle(file, what, in.position());
    }
}
