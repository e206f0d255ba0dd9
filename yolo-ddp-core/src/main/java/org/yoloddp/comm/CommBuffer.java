package org.yoloddp.comm;

import java.nio.ByteBuffer;

/**
 * Memory that takes part in collectives: an address, a number of elements and their type.
 *
 * <p>A buffer that a communicator allocated is freed by {@link #close()}, at the latest with the
 * communicator; closing a wrapped buffer or a slice frees nothing. Not thread-safe: between the
 * submission of a collective and the completion of its {@link Work} only the communicator touches
 * the memory.
 */
public interface CommBuffer extends AutoCloseable {

    /**
     * Returns the address of the first element.
     *
     * @return the address in the memory of {@link #device()}
     */
    long address();

    /**
     * Returns the number of elements.
     *
     * @return the number of elements, 0 or more
     */
    long count();

    /**
     * Returns the element type.
     *
     * @return the element type
     */
    DType dtype();

    /**
     * Returns where the memory lives.
     *
     * @return the device
     */
    MemoryDevice device();

    /**
     * Returns the object that keeps the memory alive.
     *
     * @return the owner; this buffer holds it strongly
     */
    Object owner();

    /**
     * Returns a part of this buffer, sharing its memory.
     *
     * @param from the first element
     * @param count the number of elements
     * @return the part
     */
    CommBuffer slice(long from, long count);

    /**
     * Returns the memory of a host buffer as bytes in native order.
     *
     * @return a view of at most 2 GiB; larger buffers are read by {@link #slice}
     * @throws UnsupportedBufferException if the memory is a device's
     */
    ByteBuffer bytes();

    /** Frees the memory if the communicator allocated it for this buffer; idempotent. */
    @Override
    void close();
}
