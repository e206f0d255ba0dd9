package org.yoloddp.nccl;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.DeviceBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;

/** Memory of a device that a communicator allocated; freed when neither buffer nor call uses it. */
final class DeviceMemory {

    private static final long ALIGNMENT = 64;

    private final Cuda cuda;
    private final int device;
    private final long address;
    private int users = 1;
    private boolean closed;

    private DeviceMemory(Cuda cuda, int device, long address) {
        this.cuda = cuda;
        this.device = device;
        this.address = address;
    }

    /** Allocates zeros, which are there for every stream when this returns. */
    static DeviceBuffer allocate(
            Cuda cuda, NcclStream stream, DType dtype, long count, Duration deadline) {
        MemoryDevice device = stream.device();
        long bytes = Math.max(ALIGNMENT, Math.multiplyExact(count, (long) dtype.bytes()));
        cuda.setDevice(device.index());
        DeviceMemory memory = new DeviceMemory(cuda, device.index(), cuda.malloc(bytes));
        try {
            cuda.memsetAsync(memory.address, 0, bytes, stream.handle());
            try (StreamEvent filled = stream.record()) {
                long end = System.nanoTime() + deadline.toNanos();
                while (!filled.hasPassed()) {
                    if (System.nanoTime() - end > 0) {
                        throw NcclRefusal.memoryNotFilled(bytes, device, deadline);
                    }
                    LockSupport.parkNanos(memory, 20_000);
                }
            }
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        return DeviceBuffer.own(memory.address, dtype, count, device, memory, memory::close);
    }

    /** Finds the memory of a buffer or of a slice of one; null if somebody else owns it. */
    static @Nullable DeviceMemory of(CommBuffer buffer) {
        Object owner = buffer.owner();
        while (owner instanceof CommBuffer whole) {
            owner = whole.owner();
        }
        return owner instanceof DeviceMemory memory ? memory : null;
    }

    /** Keeps the memory while a call works on it, even if its buffer is closed meanwhile. */
    synchronized void retain() {
        if (closed) {
            throw new IllegalStateException("The buffer is closed");
        }
        users++;
    }

    synchronized void release() {
        if (--users == 0) {
            cuda.setDevice(device);
            cuda.free(address);
        }
    }

    synchronized boolean isClosed() {
        return closed;
    }

    synchronized void close() {
        if (!closed) {
            closed = true;
            release();
        }
    }
}
