package org.yoloddp.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.natives.Natives;

/** The devices of this libtorch: the host and, of a CUDA build on a machine with a driver, GPUs. */
public final class Devices {

    private static final String CUDA = "cuda";

    /** Where DJL remembers on which device an array is. */
    private static final VarHandle REMEMBERED;

    static {
        try {
            REMEMBERED =
                    MethodHandles.privateLookupIn(PtNDArray.class, MethodHandles.lookup())
                            .findVarHandle(PtNDArray.class, "device", Device.class);
        } catch (ReflectiveOperationException e) {
            throw TorchException.otherDjl(e);
        }
    }

    private Devices() {}

    /**
     * Tells whether this libtorch was built for CUDA, whatever the machine has.
     *
     * @return true if it has kernels for GPUs
     */
    public static boolean isCudaBuild() {
        if (Natives.isForCpuOnly()) {
            return false;
        }
        TorchRuntime.start();
        return torch.hasDeviceGuardImpl(DeviceType.CUDA);
    }

    /**
     * Returns the number of GPUs that this libtorch sees: none without a CUDA build or a driver,
     * and only those that CUDA_VISIBLE_DEVICES names.
     *
     * @return 0 or more
     */
    public static int gpuCount() {
        return isCudaBuild() ? torch.cuda_device_count() : 0;
    }

    /**
     * Returns where the arrays of a DJL device live.
     *
     * @param device the CPU or a GPU
     * @return its memory
     */
    public static MemoryDevice memory(Device device) {
        return device.isGpu() ? new MemoryDevice(CUDA, device.getDeviceId()) : MemoryDevice.HOST;
    }

    /**
     * Returns where an array lives.
     *
     * @param array any array
     * @return its memory
     */
    public static MemoryDevice memory(NDArray array) {
        return memory(Tensors.view(array));
    }

    static MemoryDevice memory(Tensor tensor) {
        if (!tensor.is_cuda()) {
            return MemoryDevice.HOST;
        }
        try (org.bytedeco.pytorch.Device device = tensor.device()) {
            return new MemoryDevice(CUDA, device.index());
        }
    }

    /**
     * Makes a device the calling thread's own: what doesn't name a device goes there, such as what
     * CUDA keeps per thread. Without it each process would also take memory of the first GPU.
     *
     * @param device the host, for which nothing happens, or a GPU
     * @throws TorchException if this libtorch has no such device, or it cannot be reached
     */
    public static void select(MemoryDevice device) {
        if (device.isHost()) {
            return;
        }
        try (org.bytedeco.pytorch.Device chosen = device(device)) {
            torch.getDeviceGuardImpl(DeviceType.CUDA).setDevice(chosen);
        } catch (TorchException e) {
            throw e;
        } catch (RuntimeException e) {
            throw TorchException.device(device, e);
        }
    }

    /**
     * Moves an array to a device; it stays the same array, for its block, for autograd and for
     * lists that hold it. DJL remembers where an array lives, so that is corrected too. Its manager
     * stays; attach it to one of the device.
     *
     * @param array an array without a gradient
     * @param device where to
     */
    public static void move(NDArray array, Device device) {
        MemoryDevice to = memory(device);
        if (!memory(array).equals(to)) {
            Tensor tensor = Tensors.view(array);
            try (GradMode off = GradMode.disabled();
                    org.bytedeco.pytorch.Device there = device(to);
                    Tensor data = tensor.detach();
                    Tensor moved = data.to(there, data.scalar_type().intern())) {
                tensor.set_data(moved);
            }
            REMEMBERED.set(array, null);
        }
    }

    /** Refuses what this libtorch cannot reach. */
    static void check(MemoryDevice device) {
        if (!device.type().equals(CUDA) || !isCudaBuild()) {
            throw TorchException.noSuchDevice(device, isCudaBuild());
        }
    }

    /** A tensor of the host with the sizes and type of another one, its elements undefined. */
    static Tensor emptyOnHost(Tensor like) {
        try (TensorOptions options = new TensorOptions(like.scalar_type().intern());
                MemoryFormatOptional format = new MemoryFormatOptional()) {
            return torch.empty(Tensors.shape(like), options, format);
        }
    }

    /** The binding's name of a device. */
    static org.bytedeco.pytorch.Device device(MemoryDevice device) {
        if (!device.isHost()) {
            check(device);
        }
        return new org.bytedeco.pytorch.Device(device.toString());
    }
}
