package org.yoloddp.nccl;

import org.yoloddp.comm.StreamEvent;

/**
 * An event of CUDA's. Thread-safe, {@link #close} too: the watchdog and a waiting rank meet here.
 */
final class CudaEvent implements StreamEvent {

    private final Cuda cuda;
    private final long handle;
    private boolean passed;
    private boolean closed;

    CudaEvent(Cuda cuda, long handle) {
        this.cuda = cuda;
        this.handle = handle;
    }

    @Override
    public long handle() {
        return handle;
    }

    @Override
    public synchronized boolean hasPassed() {
        if (!passed) {
            if (closed) {
                throw new IllegalStateException("The event is closed");
            }
            passed = cuda.eventQuery(handle);
        }
        return passed;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            cuda.eventDestroy(handle);
        }
    }

    @Override
    public String toString() {
        return "event " + Long.toHexString(handle);
    }
}
