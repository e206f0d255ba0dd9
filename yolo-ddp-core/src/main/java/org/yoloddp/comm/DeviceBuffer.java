package org.yoloddp.comm;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Memory of a device, of which Java knows the address alone.
 *
 * <p>What frees it is told when it is made and called once, by {@link #close()} of the buffer that
 * has it, not by slices. A communicator that still works on the memory then has to keep it itself:
 * the free function is where it can.
 */
public final class DeviceBuffer implements CommBuffer {

    private final long address;
    private final DType dtype;
    private final long count;
    private final MemoryDevice device;
    private final Object owner;
    private @Nullable Runnable free;

    private DeviceBuffer(
            long address,
            DType dtype,
            long count,
            MemoryDevice device,
            Object owner,
            @Nullable Runnable free) {
        if (count < 0) {
            throw new IllegalArgumentException("A buffer cannot have " + count + " elements");
        }
        if (address == 0 && count > 0) {
            throw new IllegalArgumentException("The address of a buffer must not be 0");
        }
        this.address = address;
        this.dtype = dtype;
        this.count = count;
        this.device = device;
        this.owner = owner;
        this.free = free;
    }

    /**
     * Wraps memory of somebody else; closing the buffer frees nothing.
     *
     * @param address the address of the first element
     * @param dtype the element type
     * @param count the number of elements
     * @param device where the memory lives
     * @param owner what keeps the memory alive
     * @return a buffer over it
     */
    public static DeviceBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        return new DeviceBuffer(address, dtype, count, device, owner, null);
    }

    /**
     * Takes memory over.
     *
     * @param address the address of the first element
     * @param dtype the element type
     * @param count the number of elements
     * @param device where the memory lives
     * @param owner what keeps the memory alive until it is freed
     * @param free gives the memory back; called once, when the buffer is closed
     * @return a buffer over it, to be closed
     */
    public static DeviceBuffer own(
            long address,
            DType dtype,
            long count,
            MemoryDevice device,
            Object owner,
            Runnable free) {
        return new DeviceBuffer(address, dtype, count, device, owner, free);
    }

    @Override
    public long address() {
        return address;
    }

    @Override
    public long count() {
        return count;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public MemoryDevice device() {
        return device;
    }

    @Override
    public Object owner() {
        return owner;
    }

    @Override
    public DeviceBuffer slice(long from, long count) {
        if (from < 0 || count < 0 || from > this.count - count) {
            throw new IndexOutOfBoundsException(
                    "Elements " + from + " to " + (from + count) + " of " + this.count);
        }
        return wrap(address + from * dtype.bytes(), dtype, count, device, this);
    }

    @Override
    public ByteBuffer bytes() {
        throw UnsupportedBufferException.bytes(this);
    }

    @Override
    public synchronized void close() {
        Runnable action = free;
        free = null;
        if (action != null) {
            action.run();
        }
    }

    @Override
    public String toString() {
        return count + " x " + dtype + " on " + device;
    }
}
