package org.yoloddp.nccl;

import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;

/**
 * A stream of our own, which does not wait for the null stream that torch computes on: so
 * collectives run beside the backward pass, and whatever order is needed is made by events.
 */
final class NcclStream implements ComputeStream, AutoCloseable {

    /** The type of devices that CUDA works on. */
    static final String CUDA = "cuda";

    private final Cuda cuda;
    private final int device;
    private final long handle;
    private boolean closed;

    private NcclStream(Cuda cuda, int device, long handle) {
        this.cuda = cuda;
        this.device = device;
        this.handle = handle;
    }

    /** Makes a stream, and leaves the thread on the device. */
    static NcclStream create(Cuda cuda, int device) {
        cuda.setDevice(device);
        return new NcclStream(cuda, device, cuda.streamCreate());
    }

    long handle() {
        return handle;
    }

    @Override
    public MemoryDevice device() {
        return new MemoryDevice(CUDA, device);
    }

    @Override
    public StreamEvent record() {
        cuda.setDevice(device);
        long event = cuda.eventCreate();
        try {
            cuda.eventRecord(event, handle);
        } catch (RuntimeException e) {
            cuda.eventDestroy(event);
            throw e;
        }
        return new CudaEvent(cuda, event);
    }

    @Override
    public void waitFor(StreamEvent event) {
        if (event.handle() != 0) {
            cuda.setDevice(device);
            cuda.streamWaitEvent(handle, event.handle());
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            cuda.setDevice(device);
            cuda.streamDestroy(handle);
        }
    }

    @Override
    public String toString() {
        return "stream " + Long.toHexString(handle) + " of " + device();
    }
}
