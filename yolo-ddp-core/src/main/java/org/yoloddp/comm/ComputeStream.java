package org.yoloddp.comm;

/**
 * A queue of device work that produces what a collective reads, or uses what it leaves.
 *
 * <p>Work of one stream runs in the order of its submission; work of two streams in any order,
 * unless one waits for an event of the other. On the host work is done when the call returns, so
 * there is only {@link #HOST}. Which stream a thread submits to is a matter of that thread and
 * moment, so a stream is asked for where it is used and not kept. Thread-safe, like submission to
 * the stream itself.
 */
public interface ComputeStream {

    /** The host: everything submitted has already happened. */
    ComputeStream HOST = new HostStream();

    /**
     * Returns where the work runs.
     *
     * @return the device
     */
    MemoryDevice device();

    /**
     * Marks the point behind everything that was submitted to this stream so far.
     *
     * @return the event, to be closed; {@link StreamEvent#PASSED} on the host
     */
    StreamEvent record();

    /**
     * Makes what is submitted to this stream from now on wait until an event has passed. The host
     * does not wait. The event may be closed when this returns.
     *
     * @param event of any stream of a device that this one can wait for; nothing happens if it is
     *     {@link StreamEvent#PASSED}
     */
    void waitFor(StreamEvent event);
}
