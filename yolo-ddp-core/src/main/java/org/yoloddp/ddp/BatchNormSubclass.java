package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Parameter;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.ParameterStore;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodHandles.Lookup;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.function.Function;

/**
 * Makes a {@code BatchNorm} that forwards in another way and is in all else the same as a given
 * one: it holds the very same parameters.
 *
 * <p>Blocks keep their batch norms in fields of that type, so what takes its place must extend it;
 * but its only constructor is its package's own. So the subclass, four fields' worth of code that
 * passes the arguments of forward on, is defined at run time in that package:
 *
 * <pre>{@code
 * class Shared extends BatchNorm {
 *     public Function forward;
 *     Shared(BatchNorm.BaseBuilder builder) { super(builder); }
 *     protected NDList forwardInternal(
 *             ParameterStore store, NDList inputs, boolean training, PairList params) {
 *         return (NDList) forward.apply(new Object[] {store, inputs, training});
 *     }
 * }
 * }</pre>
 */
final class BatchNormSubclass {

    private static final Class<?> TYPE;
    private static final MethodHandle CONSTRUCTOR;

    static {
        try {
            Lookup there = MethodHandles.privateLookupIn(BatchNorm.class, MethodHandles.lookup());
            Lookup shared = there.defineHiddenClass(bytes(), true);
            TYPE = shared.lookupClass();
            CONSTRUCTOR =
                    shared.findConstructor(TYPE, MethodType.methodType(void.class, builderType()));
        } catch (ReflectiveOperationException | IOException | LinkageError e) {
            throw SyncBatchNormException.otherDjl(e);
        }
    }

    private BatchNormSubclass() {}

    /** Copies a batch norm, whose parameters both then hold. */
    static BatchNorm of(BatchNorm norm, SyncBatchNorm.Layer layer) {
        try {
            BatchNorm copy = (BatchNorm) CONSTRUCTOR.invoke(BatchNorm.builder());
            for (Class<?> type = BatchNorm.class;
                    type != Object.class;
                    type = type.getSuperclass()) {
                for (Field field : type.getDeclaredFields()) {
                    if (!Modifier.isStatic(field.getModifiers())) {
                        field.setAccessible(true);
                        field.set(copy, field.get(norm));
                    }
                }
            }
            TYPE.getDeclaredField("forward").set(copy, new Forward(norm, layer));
            return copy;
        } catch (Error e) {
            throw e;
        } catch (Throwable e) {
            throw SyncBatchNormException.otherDjl(e);
        }
    }

    private static Class<?> builderType() throws ClassNotFoundException {
        return Class.forName(BUILDER.replace('/', '.'), false, BatchNorm.class.getClassLoader());
    }

    /** What the subclass does in forward. */
    private static final class Forward implements Function<Object[], NDList> {

        private final SyncBatchNorm.Layer layer;
        private final Parameter gamma;
        private final Parameter beta;
        private final Parameter mean;
        private final Parameter variance;
        private final int axis;
        private final float momentum;
        private final float epsilon;

        Forward(BatchNorm norm, SyncBatchNorm.Layer layer) throws ReflectiveOperationException {
            this.layer = layer;
            gamma = (Parameter) get(norm, "gamma");
            beta = (Parameter) get(norm, "beta");
            mean = (Parameter) get(norm, "runningMean");
            variance = (Parameter) get(norm, "runningVar");
            axis = (int) get(norm, "axis");
            momentum = (float) get(norm, "momentum");
            epsilon = (float) get(norm, "epsilon");
        }

        private static Object get(BatchNorm norm, String name) throws ReflectiveOperationException {
            Field field = BatchNorm.class.getDeclaredField(name);
            field.setAccessible(true);
            return field.get(norm);
        }

        @Override
        public NDList apply(Object[] arguments) {
            ParameterStore store = (ParameterStore) arguments[0];
            NDArray x = ((NDList) arguments[1]).singletonOrThrow();
            boolean training = (boolean) arguments[2];
            NDArray scale = store.getValue(gamma, x.getDevice(), training);
            NDArray shift = store.getValue(beta, x.getDevice(), training);
            NDArray runningMean = store.getValue(mean, x.getDevice(), training);
            NDArray runningVar = store.getValue(variance, x.getDevice(), training);
            if (!training) {
                return BatchNorm.batchNorm(
                        x, runningMean, runningVar, scale, shift, axis, momentum, epsilon, false);
            }
            boolean swapped = axis != -1 && axis != 1;
            NDArray in = swapped ? x.swapAxes(1, axis) : x;
            NDArray out =
                    layer.batchNorm(
                            in, scale, shift, runningMean, runningVar, 1 - momentum, epsilon);
            return new NDList(swapped ? out.swapAxes(1, axis) : out);
        }
    }

    private static final String PACKAGE = "ai/djl/nn/norm/";
    private static final String BUILDER = PACKAGE + "BatchNorm$BaseBuilder";
    private static final String OBJECTS = "([Ljava/lang/Object;";
    private static final int JAVA_8 = 52;
    private static final int PUBLIC = 1;
    private static final int PROTECTED = 4;
    private static final int SUPER = 0x20;

    /** The class file. Its code has no branches, so it needs no stack maps. */
    private static byte[] bytes() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        ClassPool pool = new ClassPool();
        int self = pool.type(PACKAGE + "SharedBatchNorm");
        int parent = pool.type(PACKAGE + "BatchNorm");
        int field = pool.member(9, self, "forward", "Ljava/util/function/Function;");
        int superInit = pool.member(10, parent, "<init>", "(L" + BUILDER + ";)V");
        int valueOf =
                pool.member(
                        10, pool.type("java/lang/Boolean"), "valueOf", "(Z)Ljava/lang/Boolean;");
        int apply =
                pool.member(
                        11,
                        pool.type("java/util/function/Function"),
                        "apply",
                        "(Ljava/lang/Object;)Ljava/lang/Object;");
        int object = pool.type("java/lang/Object");
        int list = pool.type("ai/djl/ndarray/NDList");
        byte[] init = {0x2a, 0x2b, (byte) 0xb7, high(superInit), low(superInit), (byte) 0xb1};
        byte[] forward = {
            0x2a,
            (byte) 0xb4,
            high(field),
            low(field), // this.forward
            0x06,
            (byte) 0xbd,
            high(object),
            low(object), // new Object[3]
            0x59,
            0x03,
            0x2b,
            0x53, // [0] = store
            0x59,
            0x04,
            0x2c,
            0x53, // [1] = inputs
            0x59,
            0x05,
            0x1d,
            (byte) 0xb8,
            high(valueOf),
            low(valueOf),
            0x53, // [2] = training
            (byte) 0xb9,
            high(apply),
            low(apply),
            2,
            0, // apply
            (byte) 0xc0,
            high(list),
            low(list),
            (byte) 0xb0 // return (NDList)
        };
        int code = pool.text("Code");
        int initName = pool.text("<init>");
        int initType = pool.text("(L" + BUILDER + ";)V");
        int forwardName = pool.text("forwardInternal");
        int forwardType =
                pool.text(
                        "(Lai/djl/training/ParameterStore;Lai/djl/ndarray/NDList;Z"
                                + "Lai/djl/util/PairList;)Lai/djl/ndarray/NDList;");
        int fieldName = pool.text("forward");
        int fieldType = pool.text("Ljava/util/function/Function;");
        out.writeInt(0xcafebabe);
        out.writeShort(0);
        out.writeShort(JAVA_8);
        pool.write(out);
        out.writeShort(PUBLIC | SUPER);
        out.writeShort(self);
        out.writeShort(parent);
        out.writeShort(0); // interfaces
        out.writeShort(1); // fields
        shorts(out, PUBLIC, fieldName, fieldType, 0);
        out.writeShort(2); // methods
        method(out, PUBLIC, initName, initType, code, 2, 2, init);
        method(out, PROTECTED, forwardName, forwardType, code, 5, 5, forward);
        out.writeShort(0); // attributes
        return bytes.toByteArray();
    }

    private static byte high(int value) {
        return (byte) (value >> 8);
    }

    private static byte low(int value) {
        return (byte) value;
    }

    private static void shorts(DataOutputStream out, int... values) throws IOException {
        for (int value : values) {
            out.writeShort(value);
        }
    }

    private static void method(
            DataOutputStream out,
            int access,
            int name,
            int type,
            int code,
            int stack,
            int locals,
            byte[] instructions)
            throws IOException {
        shorts(out, access, name, type, 1, code);
        out.writeInt(12 + instructions.length);
        shorts(out, stack, locals);
        out.writeInt(instructions.length);
        out.write(instructions);
        shorts(out, 0, 0); // exceptions, attributes
    }

    /** The constants of a class file. */
    private static final class ClassPool {

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final DataOutputStream out = new DataOutputStream(bytes);
        private int count;

        int text(String value) {
            return add(1, () -> out.writeUTF(value));
        }

        int type(String name) {
            int text = text(name);
            return add(7, () -> out.writeShort(text));
        }

        /** A field (9), method (10) or interface method (11). */
        int member(int kind, int type, String name, String descriptor) {
            int first = text(name);
            int second = text(descriptor);
            int both = add(12, () -> shorts(out, first, second));
            return add(kind, () -> shorts(out, type, both));
        }

        private int add(int tag, Written constant) {
            try {
                out.writeByte(tag);
                constant.write();
            } catch (IOException e) {
                throw new UncheckedIOException("memory can't be written", e);
            }
            return ++count;
        }

        void write(DataOutputStream target) throws IOException {
            target.writeShort(count + 1);
            target.write(bytes.toByteArray());
        }

        private interface Written {
            void write() throws IOException;
        }
    }
}
