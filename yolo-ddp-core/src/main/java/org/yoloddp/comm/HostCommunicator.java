package org.yoloddp.comm;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What communicators on the host's memory have in common: they check what they are asked for, and
 * put it into a {@link Call}.
 */
public abstract class HostCommunicator implements Communicator {

    private final String communicator;

    /**
     * Creates a member of a group.
     *
     * @param communicator the name of the communicator's kind, for messages
     */
    protected HostCommunicator(String communicator) {
        this.communicator = communicator;
    }

    /**
     * Submits a call that has been checked. Its memory is retained; the implementation releases it
     * when the work has ended, but not if it throws.
     *
     * @param call what is asked for
     * @return the pending work
     * @throws CommunicatorClosedException if this communicator is closed
     */
    protected abstract Work submit(Call call);

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        checkDevice(device, "wrap");
        return HostBuffer.wrap(address, dtype, count, owner);
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        checkReduction(buffer, op, tag);
        return submit(Operation.ALL_REDUCE, buffer, op, -1, List.of(), producer, tag);
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        checkRank(root);
        return submit(Operation.BROADCAST, buffer, null, root, List.of(), producer, tag);
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        checkReduction(buffer, op, tag);
        List<Long> shares = shares(buffer, counts);
        return submit(Operation.REDUCE_SCATTER, buffer, op, -1, shares, producer, tag);
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        List<Long> shares = shares(buffer, counts);
        return submit(Operation.ALL_GATHER, buffer, null, -1, shares, producer, tag);
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        checkPeer(destination);
        return submit(Operation.SEND, buffer, null, destination, List.of(), producer, tag);
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        checkPeer(source);
        return submit(Operation.RECV, buffer, null, source, List.of(), producer, tag);
    }

    @Override
    public Work barrier(String tag) {
        return submit(Operation.BARRIER, null, null, -1, List.of(), ComputeStream.HOST, tag);
    }

    /**
     * Makes the members of a split from its arguments.
     *
     * @param ranks the members, as ranks of this group
     * @return the members
     * @throws IllegalArgumentException if there is none, or one is no rank of this group or is
     *     there twice
     */
    protected final List<Long> members(int... ranks) {
        long distinct = Arrays.stream(ranks).peek(this::checkRank).distinct().count();
        if (ranks.length == 0 || distinct < ranks.length) {
            throw new IllegalArgumentException(
                    "A group needs ranks, each once, not " + Arrays.toString(ranks));
        }
        return Arrays.stream(ranks).asLongStream().boxed().toList();
    }

    private Work submit(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            ComputeStream producer,
            String tag) {
        checkDevice(producer.device(), tag);
        HostBuffer host = null;
        if (buffer != null) {
            checkDevice(buffer.device(), tag);
            host = HostBuffer.of(buffer);
            host.retain();
        }
        try {
            return submit(new Call(operation, host, op, peer, counts, tag));
        } catch (CommunicationException e) {
            if (host != null) {
                host.release();
            }
            throw e;
        }
    }

    private void checkDevice(MemoryDevice device, String tag) {
        if (!device.equals(MemoryDevice.HOST)) {
            throw UnsupportedBufferException.device(
                    communicator, tag, device, MemoryDevice.HOST.toString());
        }
    }

    private static void checkReduction(CommBuffer buffer, ReduceOp op, String tag) {
        if (!HostReduction.supports(buffer.dtype(), op)) {
            throw UnsupportedBufferException.reduction(tag, buffer.dtype(), op);
        }
    }

    private void checkRank(int other) {
        if (other < 0 || other >= size()) {
            throw new IllegalArgumentException(
                    "Rank "
                            + other
                            + " is not one of the "
                            + size()
                            + " of group '"
                            + group()
                            + "'");
        }
    }

    private void checkPeer(int other) {
        checkRank(other);
        if (other == rank()) {
            throw new IllegalArgumentException("Rank " + rank() + " cannot message itself");
        }
    }

    private List<Long> shares(CommBuffer buffer, long[] counts) {
        long sum = 0;
        boolean negative = false;
        for (long count : counts) {
            sum += count;
            negative |= count < 0;
        }
        if (counts.length != size() || negative || sum != buffer.count()) {
            throw new IllegalArgumentException(
                    "The shares "
                            + Arrays.toString(counts)
                            + " do not add up to the buffer's "
                            + buffer.count()
                            + " elements on "
                            + size()
                            + " ranks");
        }
        return Arrays.stream(counts).boxed().toList();
    }
}
