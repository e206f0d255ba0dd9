package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.yoloddp.comm.MemoryDevice;

/** Arrays over memory that is not libtorch's, and the memory of arrays. */
public final class ForeignMemory {

    private static final int CHUNK = 1 << 24;

    private ForeignMemory() {}

    /**
     * Makes a one-dimensional array over foreign memory; nothing is copied.
     *
     * @param manager what it attaches to
     * @param address of the first element
     * @param type of the elements
     * @param count of the elements
     * @param owner kept reachable until the array is closed; arrays made from it that share its
     *     memory (views, gradients) must be closed before
     * @return the array
     */
    public static NDArray array(
            NDManager manager, long address, DataType type, long count, Object owner) {
        return array(manager, address, type, count, MemoryDevice.HOST, owner);
    }

    /**
     * Makes a one-dimensional array over foreign memory of a device; nothing is copied.
     *
     * @param manager what it attaches to
     * @param address of the first element
     * @param type of the elements
     * @param count of the elements
     * @param device where the memory lives
     * @param owner kept reachable until the array is closed, as for memory of the host
     * @return the array
     * @throws TorchException if this libtorch has no such device
     */
    public static NDArray array(
            NDManager manager,
            long address,
            DataType type,
            long count,
            MemoryDevice device,
            Object owner) {
        TorchRuntime.start();
        try (TensorOptions options = new TensorOptions(Tensors.scalarType(type));
                Device where = Devices.device(device);
                DeviceOptional there = new DeviceOptional(where);
                TensorOptions placed = options.device(there)) {
            Tensor tensor =
                    torch.from_blob(new Tensors.Address(address), new long[] {count}, placed);
            return new Foreign((PtNDManager) manager, tensor, owner);
        }
    }

    /**
     * Returns the address of an array's first element. It is valid while the array is open and its
     * memory is not replaced ({@link Layouts#toChannelsLast} does).
     *
     * @param array any array
     * @return the address, on the array's device
     */
    public static long address(NDArray array) {
        Pointer data = Tensors.view(array).data_ptr();
        return data == null ? 0 : data.address();
    }

    /**
     * Returns the size of an array's elements, also of those that DJL does not know.
     *
     * @param array any array
     * @return bytes
     */
    public static long byteCount(NDArray array) {
        Tensor tensor = Tensors.view(array);
        return tensor.numel() * tensor.element_size();
    }

    /**
     * Copies the elements in their logical order (row-major, whatever the strides), little-endian.
     *
     * @param array any array of less than 2 GiB
     * @return its bytes
     */
    public static byte[] bytes(NDArray array) {
        ByteBuffer all = ByteBuffer.allocate(Math.toIntExact(byteCount(array)));
        forEachChunk(array, all::put);
        return all.array();
    }

    /**
     * Hands out the elements in their logical order, little-endian, piece by piece and without
     * copying what lies in order already.
     *
     * @param array any array
     * @param consumer gets direct buffers that are valid during the call only
     */
    public static void forEachChunk(NDArray array, Consumer<ByteBuffer> consumer) {
        try (GradMode off = GradMode.disabled();
                Tensor data = Tensors.view(array).detach();
                Tensor host = data.cpu();
                Tensor ordered = host.contiguous()) {
            long size = ordered.numel() * ordered.element_size();
            Pointer start = ordered.data_ptr();
            for (long at = 0; at < size; at += CHUNK) {
                long length = Math.min(CHUNK, size - at);
                BytePointer piece = new BytePointer(new Tensors.Address(start.address() + at));
                consumer.accept(piece.capacity(length).asByteBuffer());
            }
        }
    }

    /** Holds the owner of its memory. */
    private static final class Foreign extends PtNDArray {
        @SuppressWarnings({"unused", "FieldCanBeLocal"})
        private Object owner;

        Foreign(PtNDManager manager, Tensor tensor, Object owner) {
            super(manager, tensor.address());
            tensor.deallocate(false);
            this.owner = owner;
        }

        @Override
        public void close() {
            super.close();
            owner = this;
        }
    }
}
