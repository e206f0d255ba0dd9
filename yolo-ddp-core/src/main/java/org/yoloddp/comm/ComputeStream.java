package org.yoloddp.comm;

/**
 * A queue of device work that produces what a collective reads.
 *
 * <p>On the host work is done when the call returns, so there is only {@link #HOST}.
 */
public interface ComputeStream {

    /** The host: everything submitted has already happened. */
    ComputeStream HOST = () -> MemoryDevice.HOST;

    /**
     * Returns where the work runs.
     *
     * @return the device
     */
    MemoryDevice device();
}
