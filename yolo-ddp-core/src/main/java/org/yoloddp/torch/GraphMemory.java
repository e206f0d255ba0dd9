package org.yoloddp.torch;

import ai.djl.ndarray.BaseNDManager;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Keeps alive what backward still reads of arrays that DJL has closed already.
 *
 * <p>DJL makes an array of a Java buffer by pointing libtorch at the buffer's memory, which lives
 * as long as the array is open. {@code array.mul(2)} makes such an array of the 2 and closes it at
 * once, but autograd has saved it for backward: if the garbage collector runs in between, backward
 * multiplies by what happens to lie there. So the buffers of arrays that are closed in a manager
 * and its sub-managers are kept until {@link #release}, which belongs behind each backward.
 *
 * <p>The way in is the map in which a manager keeps its arrays; DJL offers none. Thread-safe.
 */
public final class GraphMemory {

    private static final VarHandle RESOURCES;
    private static final VarHandle BUFFER;

    static {
        try {
            RESOURCES =
                    MethodHandles.privateLookupIn(BaseNDManager.class, MethodHandles.lookup())
                            .findVarHandle(
                                    BaseNDManager.class, "resources", ConcurrentHashMap.class);
            BUFFER =
                    MethodHandles.privateLookupIn(PtNDArray.class, MethodHandles.lookup())
                            .findVarHandle(PtNDArray.class, "dataRef", ByteBuffer.class);
        } catch (ReflectiveOperationException e) {
            throw TorchException.otherDjl(e);
        }
    }

    private final Queue<ByteBuffer> kept = new ConcurrentLinkedQueue<>();

    private GraphMemory() {}

    /**
     * Starts to keep buffers.
     *
     * @param manager the manager of a rank, with all managers that are made of it from now on
     * @return what keeps them
     */
    public static GraphMemory of(NDManager manager) {
        GraphMemory memory = new GraphMemory();
        memory.watch((BaseNDManager) manager);
        return memory;
    }

    /** Lets go of what was kept; call it when no backward is pending. */
    public void release() {
        kept.clear();
    }

    @SuppressWarnings("unchecked")
    private void watch(BaseNDManager manager) {
        RESOURCES.setVolatile(
                manager, new Watched((Map<String, AutoCloseable>) RESOURCES.getVolatile(manager)));
    }

    /** The arrays and sub-managers of a manager. */
    private final class Watched extends ConcurrentHashMap<String, AutoCloseable> {

        private static final long serialVersionUID = 1L;

        Watched(Map<String, AutoCloseable> before) {
            super(before);
        }

        @Override
        public AutoCloseable put(String uid, AutoCloseable resource) {
            if (resource instanceof BaseNDManager child) {
                watch(child);
            }
            return super.put(uid, resource);
        }

        @Override
        public AutoCloseable remove(Object uid) {
            AutoCloseable resource = super.remove(uid);
            if (resource instanceof PtNDArray array && BUFFER.get(array) instanceof ByteBuffer b) {
                kept.add(b);
            }
            return resource;
        }
    }
}
