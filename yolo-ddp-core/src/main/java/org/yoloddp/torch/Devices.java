package org.yoloddp.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.yoloddp.comm.MemoryDevice;

/** The devices of this libtorch: the host and, of a CUDA build on a machine with a driver, GPUs. */
public final class Devices {

    private static final String CUDA = "cuda";

    private Devices() {}

    /**
     * Tells whether this libtorch was built for CUDA, whatever the machine has.
     *
     * @return true if it has kernels for GPUs
     */
    public static boolean isCudaBuild() {
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
        Tensor tensor = Tensors.view(array);
        if (!tensor.is_cuda()) {
            return MemoryDevice.HOST;
        }
        try (org.bytedeco.pytorch.Device device = tensor.device()) {
            return new MemoryDevice(CUDA, device.index());
        }
    }

    /** Refuses what this libtorch cannot reach. */
    static void check(MemoryDevice device) {
        if (!device.type().equals(CUDA) || !isCudaBuild()) {
            throw TorchException.noSuchDevice(device, isCudaBuild());
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
