package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the host, of any size.
 *
 * <p>Memory of its own is zeroed, aligned to 64 bytes, outside of Java's heap and of the limit on
 * direct buffers, and given back by {@link #close()}; a collective that is still working on it then
 * keeps it until it is done. Views from {@link #bytes()} are not to be used after that.
 */
public final class HostBuffer implements CommBuffer {

    private final HostMemory memory;
    private final long address;
    private final DType dtype;
    private final long count;
    private final boolean part;
    private volatile @Nullable ByteBuffer view;

    private HostBuffer(HostMemory memory, long address, DType dtype, long count, boolean part) {
        this.memory = memory;
        this.address = address;
        this.dtype = dtype;
        this.count = count;
        this.part = part;
    }

    /**
     * Allocates zeroed memory, aligned to 64 bytes.
     *
     * @param dtype the element type
     * @param count the number of elements
     * @return a buffer, to be closed
     */
    public static HostBuffer allocate(DType dtype, long count) {
        HostMemory memory = HostMemory.allocate(size(dtype, count));
        return new HostBuffer(memory, memory.address(), dtype, count, false);
    }

    /**
     * Wraps memory of somebody else.
     *
     * @param address the address of the first element
     * @param dtype the element type
     * @param count the number of elements
     * @param owner what keeps the memory alive
     * @return a buffer over it
     */
    public static HostBuffer wrap(long address, DType dtype, long count, Object owner) {
        long bytes = size(dtype, count);
        if (address == 0 && bytes > 0) {
            throw new IllegalArgumentException("The address of a buffer must not be 0");
        }
        return new HostBuffer(HostMemory.wrap(address, bytes, owner), address, dtype, count, false);
    }

    /**
     * Lends memory that somebody else manages: closing the buffer gives it back.
     *
     * @param memory a direct buffer, all of which is lent; held strongly
     * @param dtype the element type
     * @param count the number of elements
     * @param giveBack called once, when the buffer is closed and no collective works on it any more
     * @return a buffer, to be closed
     */
    public static HostBuffer lend(ByteBuffer memory, DType dtype, long count, Runnable giveBack) {
        if (!memory.isDirect() || size(dtype, count) > memory.capacity()) {
            throw new IllegalArgumentException(
                    count + " x " + dtype + " do not fit into " + memory);
        }
        HostMemory lent = HostMemory.lend(memory, giveBack);
        return new HostBuffer(lent, lent.address(), dtype, count, false);
    }

    /**
     * Returns the address of a direct buffer's memory.
     *
     * @param memory a direct buffer
     * @return the address of its index 0, or 0 if its capacity is 0
     */
    public static long address(ByteBuffer memory) {
        return HostMemory.address(memory);
    }

    /**
     * Views any buffer on the host as one of this kind.
     *
     * @param buffer a buffer on the host
     * @return the buffer itself, or one over the same memory that holds it
     */
    public static HostBuffer of(CommBuffer buffer) {
        return buffer instanceof HostBuffer host
                ? host
                : wrap(buffer.address(), buffer.dtype(), buffer.count(), buffer);
    }

    private static long size(DType dtype, long count) {
        if (count < 0) {
            throw new IllegalArgumentException("A buffer cannot have " + count + " elements");
        }
        return Math.multiplyExact(count, (long) dtype.bytes());
    }

    @Override
    public long address() {
        check();
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
        return MemoryDevice.HOST;
    }

    @Override
    public Object owner() {
        return memory.owner();
    }

    @Override
    public HostBuffer slice(long from, long count) {
        check();
        if (from < 0 || count < 0 || from > this.count - count) {
            throw new IndexOutOfBoundsException(
                    "Elements " + from + " to " + (from + count) + " of " + this.count);
        }
        return new HostBuffer(memory, address + from * dtype.bytes(), dtype, count, true);
    }

    @Override
    public ByteBuffer bytes() {
        check();
        long bytes = count * dtype.bytes();
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalStateException(
                    "The buffer has " + bytes + " bytes, a view at most 2 GiB; view it by slices");
        }
        ByteBuffer whole = view;
        if (whole == null) {
            whole = HostMemory.view(address, bytes);
            view = whole;
        }
        return whole.duplicate().order(ByteOrder.nativeOrder());
    }

    /**
     * Views some elements as bytes in native order, without the check of use that {@link #bytes()}
     * makes: for communicators, which {@link #retain} the memory.
     *
     * @param from the first element
     * @param count the number of elements, of at most 2 GiB
     * @return the view, from position 0
     */
    public ByteBuffer window(long from, int count) {
        int size = dtype.bytes();
        ByteBuffer whole = view;
        if (whole == null && this.count * size <= Integer.MAX_VALUE) {
            whole = HostMemory.view(address, this.count * size);
            view = whole;
        }
        ByteBuffer window =
                whole == null
                        ? HostMemory.view(address + from * size, (long) count * size)
                        : whole.slice(Math.toIntExact(from * size), count * size);
        return window.order(ByteOrder.nativeOrder());
    }

    /**
     * Copies elements to the same place of another buffer, at the speed of memcpy and without the
     * check of use: for communicators, which {@link #retain} the memory.
     *
     * @param to the destination, of the same type
     * @param from the first element of this buffer
     * @param toFrom the first element of the destination
     * @param count the number of elements
     */
    public void copyTo(HostBuffer to, long from, long toFrom, long count) {
        int size = dtype.bytes();
        HostMemory.copy(address + from * size, to.address + toFrom * size, count * size);
    }

    /**
     * Tells whether the buffer was closed.
     *
     * @return true after {@link #close()} of a buffer that owns its memory
     */
    public boolean isClosed() {
        return memory.isClosed();
    }

    /** Keeps the memory until {@link #release}, even if the buffer is closed meanwhile. */
    public void retain() {
        memory.retain();
    }

    /** Ends {@link #retain}. */
    public void release() {
        memory.release();
    }

    @Override
    public void close() {
        if (!part) {
            memory.close();
        }
    }

    private void check() {
        if (memory.isClosed()) {
            throw new IllegalStateException("The buffer is closed");
        }
    }
}
