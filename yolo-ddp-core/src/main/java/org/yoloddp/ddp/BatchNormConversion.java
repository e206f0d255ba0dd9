package org.yoloddp.ddp;

import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.util.PairList;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.InaccessibleObjectException;
import java.lang.reflect.Modifier;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Finds every reference to a batch norm below a block and puts one over all ranks in its place.
 *
 * <p>A DJL block usually holds a child twice: in its list of children, from which the parameters
 * come, and in a field of its own, on which forward is called. So all fields of all blocks are
 * searched, and what lambdas and the user's own objects hold. A batch norm that is found where it
 * cannot be replaced is an error, since it would silently go on alone.
 */
final class BatchNormConversion {

    private final SyncBatchNorm sync;
    private final Map<Object, Object> replacements = new IdentityHashMap<>();
    private final Map<Object, Boolean> seen = new IdentityHashMap<>();

    private BatchNormConversion(SyncBatchNorm sync) {
        this.sync = sync;
    }

    /** Returns the block, or what takes its place. */
    static Block convert(Block block, SyncBatchNorm sync) {
        BatchNormConversion conversion = new BatchNormConversion(sync);
        if (block instanceof BatchNorm norm) {
            return (Block) conversion.replacement(norm, "the block itself");
        }
        conversion.search(block, block.getClass().getSimpleName());
        return block;
    }

    /** Where a reference lies. */
    @FunctionalInterface
    private interface Slot {
        void set(Object value) throws ReflectiveOperationException;
    }

    private Object replacement(BatchNorm norm, String path) {
        Object known = replacements.get(norm);
        if (known == null) {
            known = BatchNormSubclass.of(norm, sync.layer(path));
            replacements.put(norm, known);
            // It is not to be converted again, should it be met as the new value of a field.
            replacements.put(known, known);
        }
        return known;
    }

    private void visit(@Nullable Object value, String path, Slot slot) {
        if (value instanceof BatchNorm norm) {
            Object other = replacement(norm, path);
            if (other != norm) {
                try {
                    slot.set(other);
                } catch (ReflectiveOperationException | RuntimeException e) {
                    throw SyncBatchNormException.notReplaceable(path, reason(e), e);
                }
            }
        } else if (value != null) {
            search(value, path);
        }
    }

    private static String reason(Exception e) {
        if (e instanceof UnsupportedOperationException) {
            return "its container is immutable";
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private void search(Object holder, String path) {
        if (seen.put(holder, true) != null) {
            return;
        }
        if (holder instanceof SyncBatchNorm.Convertible layer) {
            layer.synchronise(sync.layer(path));
        }
        if (holder instanceof Block) {
            // The children first: they give the better names.
            if (holder instanceof AbstractBlock) {
                field(AbstractBlock.class, "children", holder, path);
            }
            fields(holder, path);
        } else if (holder instanceof PairList<?, ?> pairs) {
            pairs(pairs, path);
        } else if (holder instanceof List<?> list) {
            list(list, path);
        } else if (holder instanceof Map<?, ?> map) {
            map(map, path);
        } else if (holder instanceof Object[] array) {
            for (int i = 0; i < array.length; i++) {
                int index = i;
                visit(array[i], path + "[" + i + "]", value -> Array.set(array, index, value));
            }
        } else if (holder instanceof Collection<?> others) {
            others.forEach(
                    each -> visit(each, path + "[]", unable("its collection is not a list")));
        } else if (holder instanceof Optional<?> optional) {
            visit(optional.orElse(null), path, unable("an Optional can't be changed"));
        } else if (holder instanceof AtomicReference<?> reference) {
            visit(reference.get(), path, value -> put(reference, value));
        } else if (isUsers(holder.getClass())) {
            fields(holder, path);
        }
    }

    private static Slot unable(String why) {
        return value -> {
            throw new UnsupportedOperationException(why);
        };
    }

    @SuppressWarnings("unchecked")
    private static void put(AtomicReference<?> reference, Object value) {
        ((AtomicReference<Object>) reference).set(value);
    }

    /** Neither the JDK's nor DJL's, unless a lambda, which may have captured a block. */
    private static boolean isUsers(Class<?> type) {
        if (type.isHidden() || type.isSynthetic()) {
            return true;
        }
        String name = type.getName();
        return !type.isEnum()
                && !name.startsWith("java.")
                && !name.startsWith("javax.")
                && !name.startsWith("jdk.")
                && !name.startsWith("sun.")
                && !name.startsWith("com.sun.")
                && !name.startsWith("ai.djl.")
                && !name.startsWith("org.bytedeco.")
                && !name.startsWith("org.slf4j.");
    }

    private void pairs(PairList<?, ?> pairs, String path) {
        List<String> names = pairs.keys().stream().map(String::valueOf).toList();
        List<?> values = pairs.values();
        Field field;
        try {
            field = PairList.class.getDeclaredField("values");
            field.setAccessible(true);
            @SuppressWarnings("unchecked")
            List<Object> changeable = (List<Object>) field.get(pairs);
            for (int i = 0; i < values.size(); i++) {
                int index = i;
                visit(
                        values.get(i),
                        path.endsWith(".children")
                                ? path.substring(0, path.length() - 8) + names.get(i)
                                : path + "." + names.get(i),
                        value -> changeable.set(index, value));
            }
        } catch (ReflectiveOperationException e) {
            throw SyncBatchNormException.otherDjl(e);
        }
    }

    private void list(List<?> list, String path) {
        @SuppressWarnings("unchecked")
        List<Object> changeable = (List<Object>) list;
        for (int i = 0; i < list.size(); i++) {
            int index = i;
            visit(list.get(i), path + "[" + i + "]", value -> changeable.set(index, value));
        }
    }

    private void map(Map<?, ?> map, String path) {
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            @SuppressWarnings("unchecked")
            Map.Entry<Object, Object> changeable = (Map.Entry<Object, Object>) entry;
            visit(entry.getValue(), path + "." + entry.getKey(), changeable::setValue);
            visit(entry.getKey(), path + ".keys", unable("it is the key of a map"));
        }
    }

    private void fields(Object holder, String path) {
        for (Class<?> type = holder.getClass(); type != null; type = type.getSuperclass()) {
            if (type.getName().startsWith("java.")) {
                return;
            }
            for (Field field : type.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers()) && !field.getType().isPrimitive()) {
                    field(field, holder, path + "." + field.getName());
                }
            }
        }
    }

    private void field(Class<?> type, String name, Object holder, String path) {
        try {
            field(type.getDeclaredField(name), holder, path + "." + name);
        } catch (NoSuchFieldException e) {
            throw SyncBatchNormException.otherDjl(e);
        }
    }

    private void field(Field field, Object holder, String path) {
        Object value;
        try {
            field.setAccessible(true);
            value = field.get(holder);
        } catch (InaccessibleObjectException | IllegalAccessException e) {
            if (holder instanceof Block) {
                throw SyncBatchNormException.hidden(path, e);
            }
            return;
        }
        visit(value, path, other -> field.set(holder, other));
    }
}
