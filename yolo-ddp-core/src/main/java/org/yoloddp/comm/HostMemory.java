package org.yoloddp.comm;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A block of the host's memory.
 *
 * <p>The JDK offers no way to view an address or to free memory at will without {@code Unsafe}, so
 * JavaCPP's Pointer does it: it loads a small library of its own and nothing of torch. Memory comes
 * from calloc and not from JavaCPP's allocator, which would count it against its own limits. An
 * application that wants DJL's libtorch starts the natives before its first buffer, because
 * JavaCPP's search order is fixed from then on.
 */
final class HostMemory {

    private static final int ALIGNMENT = 64;

    static {
        // Otherwise JavaCPP refuses memory when the whole process has four times the heap.
        String limit = "org.bytedeco.javacpp.maxPhysicalBytes";
        if (System.getProperty(limit) == null) {
            System.setProperty(limit, "0");
        }
    }

    private final long address;
    private final long bytes;
    private final Object owner;
    private final @Nullable Runnable free;

    private int users = 1;
    private boolean closed;

    private HostMemory(long address, long bytes, Object owner, @Nullable Runnable free) {
        this.address = address;
        this.bytes = bytes;
        this.owner = owner;
        this.free = free;
    }

    static HostMemory allocate(long bytes) {
        Block block = new Block(Block.calloc(1, Math.addExact(bytes, ALIGNMENT)));
        if (block.isNull()) {
            throw new OutOfMemoryError("No memory for a communication buffer of " + bytes + " B");
        }
        long aligned = (block.address() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return new HostMemory(aligned, bytes, block, () -> Block.free(block));
    }

    static HostMemory wrap(long address, long bytes, Object owner) {
        return new HostMemory(address, bytes, owner, null);
    }

    /** Takes a buffer's memory, which it holds, and tells when nobody uses it any more. */
    static HostMemory lend(ByteBuffer memory, Runnable free) {
        return new HostMemory(address(memory), memory.capacity(), memory, free);
    }

    static long address(ByteBuffer memory) {
        return memory.capacity() == 0 ? 0 : new Block(memory).address();
    }

    long address() {
        return address;
    }

    long bytes() {
        return bytes;
    }

    Object owner() {
        return owner;
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Keeps the memory while a collective works on it, even if it is closed meanwhile. */
    synchronized void retain() {
        if (closed) {
            throw new IllegalStateException("The buffer is closed");
        }
        users++;
    }

    synchronized void release() {
        if (--users == 0 && free != null) {
            free.run();
        }
    }

    synchronized void close() {
        if (free != null && !closed) {
            closed = true;
            release();
        }
    }

    static ByteBuffer view(long address, long bytes) {
        return bytes == 0 ? ByteBuffer.allocateDirect(0) : new Block(address, bytes).asByteBuffer();
    }

    static void copy(long from, long to, long bytes) {
        if (bytes > 0 && from != to) {
            Block.memcpy(new Block(to, bytes), new Block(from, bytes), bytes);
        }
    }

    /** An address that JavaCPP neither owns nor frees. */
    private static final class Block extends Pointer {

        Block(Pointer p) {
            super(p);
        }

        Block(ByteBuffer memory) {
            super(memory);
        }

        Block(long address, long bytes) {
            this.address = address;
            this.limit = bytes;
            this.capacity = bytes;
        }

        @Override
        public int sizeof() {
            return 1;
        }
    }
}
