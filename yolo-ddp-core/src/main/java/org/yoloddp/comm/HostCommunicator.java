package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What communicators on the host's memory have in common. */
public abstract class HostCommunicator extends CheckedCommunicator {

    private final List<HostBuffer> allocated = new CopyOnWriteArrayList<>();

    /**
     * Creates a member of a group.
     *
     * @param communicator the name of the communicator's kind, for messages
     * @param rank the member's number in the group
     * @param size the number of members
     * @param group the name of the group
     * @param deadline the longest that a collective may take before it fails
     */
    protected HostCommunicator(
            String communicator, int rank, int size, String group, Duration deadline) {
        super(communicator, rank, size, group, deadline);
    }

    /**
     * Submits a call that has been checked. Its memory is a {@link HostBuffer}, and retained; the
     * implementation releases it when the work has ended, but not if it throws.
     *
     * @param call what is asked for
     * @return the pending work
     * @throws CommunicatorClosedException if this communicator is closed
     */
    protected abstract Work submit(Call call);

    /**
     * Finds memory for a buffer.
     *
     * @param dtype the element type
     * @param count the number of elements
     * @return a buffer, closed with this communicator at the latest
     */
    protected abstract HostBuffer newBuffer(DType dtype, long count);

    @Override
    public final CommBuffer allocate(DType dtype, long count) {
        HostBuffer buffer = newBuffer(dtype, count);
        allocated.removeIf(HostBuffer::isClosed);
        allocated.add(buffer);
        return buffer;
    }

    /** Frees what this communicator has allocated. */
    protected final void freeBuffers() {
        allocated.forEach(HostBuffer::close);
        allocated.clear();
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        checkDevice(device, "wrap");
        return HostBuffer.wrap(address, dtype, count, owner);
    }

    @Override
    protected final MemoryDevice memory() {
        return MemoryDevice.HOST;
    }

    @Override
    protected final boolean supports(DType dtype, ReduceOp op) {
        return HostReduction.supports(dtype, op);
    }

    @Override
    protected final Work submit(Call call, ComputeStream producer) {
        HostBuffer buffer = call.hostBuffer();
        if (buffer == null) {
            return submit(call);
        }
        buffer.retain();
        try {
            return submit(
                    new Call(
                            call.operation(),
                            buffer,
                            call.op(),
                            call.peer(),
                            call.counts(),
                            call.tag()));
        } catch (CommunicationException e) {
            buffer.release();
            throw e;
        }
    }
}
