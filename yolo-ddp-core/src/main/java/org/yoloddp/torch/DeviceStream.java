package org.yoloddp.torch;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.pytorch.DeviceGuardImplInterface;
import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.EventFlag;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;

/**
 * The stream of a device that libtorch submits to.
 *
 * <p>libtorch's own guard of the device makes, records and waits for events, so that nothing of
 * CUDA is called here and a binding for the CPU is enough; the events are {@code cudaEvent_t} all
 * the same, which other libraries can wait for.
 */
public final class DeviceStream implements ComputeStream {

    private final MemoryDevice device;
    private final Stream stream;

    private DeviceStream(MemoryDevice device, Stream stream) {
        this.device = device;
        this.stream = stream;
    }

    /**
     * Returns the stream that the ops of the calling thread go to now. libtorch calls hooks of a
     * GPU's gradients on a thread of its own, so a hook has to ask itself.
     *
     * @param device the host or a CUDA device
     * @return its stream; {@link ComputeStream#HOST} for the host
     * @throws TorchException if this libtorch has no such device, or it cannot be reached
     */
    public static ComputeStream current(MemoryDevice device) {
        if (device.isHost()) {
            return HOST;
        }
        Devices.check(device);
        try {
            return new DeviceStream(device, torch.getCurrentStream((byte) device.index()));
        } catch (RuntimeException e) {
            throw TorchException.device(device, e);
        }
    }

    @Override
    public MemoryDevice device() {
        return device;
    }

    @Override
    public StreamEvent record() {
        try (PointerPointer<Pointer> made = new PointerPointer<>(1)) {
            made.put(0, (Pointer) null);
            guard().record(made, stream, (byte) device.index(), EventFlag.PYTORCH_DEFAULT);
            return new Event(made.get(0).address(), device);
        } catch (RuntimeException e) {
            throw TorchException.device(device, e);
        }
    }

    @Override
    public void waitFor(StreamEvent event) {
        if (event.handle() == 0) {
            return;
        }
        try {
            guard().block(new Tensors.Address(event.handle()), stream);
        } catch (RuntimeException e) {
            throw TorchException.device(device, e);
        }
    }

    private static DeviceGuardImplInterface guard() {
        return torch.getDeviceGuardImpl(DeviceType.CUDA);
    }

    @Override
    public String toString() {
        return "stream " + Long.toHexString(stream.id()) + " of " + device;
    }

    /** An event of libtorch's making. */
    private static final class Event implements StreamEvent {

        private final long handle;
        private final MemoryDevice device;
        private boolean closed;

        Event(long handle, MemoryDevice device) {
            this.handle = handle;
            this.device = device;
        }

        @Override
        public long handle() {
            return handle;
        }

        @Override
        public boolean hasPassed() {
            try {
                return guard().queryEvent(new Tensors.Address(handle));
            } catch (RuntimeException e) {
                throw TorchException.device(device, e);
            }
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                guard().destroyEvent(new Tensors.Address(handle), (byte) device.index());
            }
        }

        @Override
        public String toString() {
            return "event " + Long.toHexString(handle) + " of " + device;
        }
    }
}
