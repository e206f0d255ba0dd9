package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;

/**
 * Lets the operations of a thread go to a stream of their own, beside what the device computes for
 * others: to bring the next batch while a step computes. Ends with the thread.
 *
 * <pre>{@code
 * SideStream.begin(device);                       // on the thread that brings batches
 * NDArray batch = SideStream.toDevice(manager, array);
 * StreamEvent there = DeviceStream.current(device).record();
 * ...
 * SideStream.takeOver(batch, there);              // on the thread that uses it
 * }</pre>
 */
public final class SideStream {

    private SideStream() {}

    /**
     * Gives the calling thread a stream of its own, until it ends.
     *
     * @param device a GPU; nothing happens on the host
     * @throws TorchException if this libtorch has no such device, or it cannot be reached
     */
    public static void begin(MemoryDevice device) {
        if (device.isHost()) {
            return;
        }
        Devices.select(device);
        try (Device there = Devices.device(device);
                Stream own =
                        torch.getDeviceGuardImpl(DeviceType.CUDA)
                                .getStreamFromGlobalPool(there, false)) {
            torch.setCurrentStream(own);
        } catch (RuntimeException e) {
            throw TorchException.device(device, e);
        }
    }

    /**
     * Copies an array to the device of a manager, by pinned memory and without waiting for the copy
     * if that is a GPU.
     *
     * @param manager of the destination
     * @param array any array without a gradient
     * @return the array itself if it is there already
     */
    public static NDArray toDevice(NDManager manager, NDArray array) {
        MemoryDevice to = Devices.memory(manager.getDevice());
        if (Devices.memory(array).equals(to)) {
            return array;
        }
        try (GradMode off = GradMode.disabled();
                Tensor data = Tensors.view(array).detach()) {
            return Tensors.adopt(manager, copy(data, to));
        }
    }

    /**
     * Makes an array of bytes, by pinned memory and without waiting for the copy if it is on a GPU.
     *
     * @param manager of the destination
     * @param bytes the elements, which may be overwritten when this returns
     * @param shape their shape
     * @return an array of type UINT8
     */
    public static NDArray bytes(NDManager manager, ByteBuffer bytes, Shape shape) {
        MemoryDevice to = Devices.memory(manager.getDevice());
        if (to.isHost() || !bytes.isDirect()) {
            return manager.create(bytes, shape, DataType.UINT8);
        }
        Tensors.Address start = new Tensors.Address(HostBuffer.address(bytes) + bytes.position());
        try (GradMode off = GradMode.disabled();
                TensorOptions options = new TensorOptions(Tensors.scalarType(DataType.UINT8));
                Tensor view = torch.from_blob(start, shape.getShape(), options)) {
            return Tensors.adopt(manager, copy(view, to));
        }
    }

    /** A copy on a device that is not waited for if that is a GPU. */
    static Tensor copy(Tensor from, MemoryDevice to) {
        try (Device there = Devices.device(to)) {
            if (to.isHost()) {
                return from.to(there, from.scalar_type().intern());
            }
            try (Tensor pinned = from.pin_memory();
                    MemoryFormatOptional format = new MemoryFormatOptional()) {
                return pinned.to(there, from.scalar_type().intern(), true, false, format);
            }
        }
    }

    /**
     * Lets the calling thread's stream use an array that another stream has made.
     *
     * @param array the array, whose memory is then not used for others before this stream is done
     *     with it
     * @param made passes when it is there
     */
    public static void takeOver(NDArray array, StreamEvent made) {
        MemoryDevice device = Devices.memory(array);
        if (device.isHost()) {
            return;
        }
        ComputeStream mine = DeviceStream.current(device);
        mine.waitFor(made);
        try (Stream current = torch.getCurrentStream((byte) device.index())) {
            Tensors.view(array).record_stream(current);
        }
    }
}
