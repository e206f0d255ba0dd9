package org.yoloddp.comm;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * What communicators have in common: they know who the rank is and which groups it has split off,
 * check what they are asked for, and put it into a {@link Call}.
 */
public abstract class CheckedCommunicator implements Communicator {

    private final String communicator;
    private final int rank;
    private final int size;
    private final String group;
    private final Duration deadline;
    private final List<Communicator> children = new CopyOnWriteArrayList<>();

    /**
     * Creates a member of a group.
     *
     * @param communicator the name of the communicator's kind, for messages
     * @param rank the member's number in the group
     * @param size the number of members
     * @param group the name of the group
     * @param deadline the longest that a collective may take before it fails
     */
    protected CheckedCommunicator(
            String communicator, int rank, int size, String group, Duration deadline) {
        this.communicator = communicator;
        this.rank = rank;
        this.size = size;
        this.group = group;
        this.deadline = deadline;
    }

    /**
     * Returns where this member's buffers live.
     *
     * @return the device
     */
    protected abstract MemoryDevice memory();

    /**
     * Tells whether contributions can be combined so.
     *
     * @param dtype the element type
     * @param op how to combine
     * @return false if there is no such reduction
     */
    protected abstract boolean supports(DType dtype, ReduceOp op);

    /**
     * Submits a call that has been checked.
     *
     * @param call what is asked for
     * @param producer the stream that fills its buffer: the host's, or one of this member's device
     * @return the pending work
     * @throws CommunicatorClosedException if this communicator is closed
     */
    protected abstract Work submit(Call call, ComputeStream producer);

    @Override
    public final int rank() {
        return rank;
    }

    @Override
    public final int size() {
        return size;
    }

    @Override
    public final String group() {
        return group;
    }

    @Override
    public final Duration deadline() {
        return deadline;
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        checkReduction(buffer, op, tag);
        return ask(Operation.ALL_REDUCE, buffer, op, -1, List.of(), producer, tag);
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        checkRank(root);
        return ask(Operation.BROADCAST, buffer, null, root, List.of(), producer, tag);
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        checkReduction(buffer, op, tag);
        List<Long> shares = shares(buffer, counts);
        return ask(Operation.REDUCE_SCATTER, buffer, op, -1, shares, producer, tag);
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        List<Long> shares = shares(buffer, counts);
        return ask(Operation.ALL_GATHER, buffer, null, -1, shares, producer, tag);
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        checkPeer(destination);
        return ask(Operation.SEND, buffer, null, destination, List.of(), producer, tag);
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        checkPeer(source);
        return ask(Operation.RECV, buffer, null, source, List.of(), producer, tag);
    }

    @Override
    public Work barrier(String tag) {
        return ask(Operation.BARRIER, null, null, -1, List.of(), ComputeStream.HOST, tag);
    }

    private Work ask(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            ComputeStream producer,
            String tag) {
        if (!producer.device().isHost()) {
            checkDevice(producer.device(), tag);
        }
        if (buffer != null) {
            checkDevice(buffer.device(), tag);
        }
        return submit(new Call(operation, buffer, op, peer, counts, tag), producer);
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

    /**
     * Takes note of a group that was split off, which is closed with this one.
     *
     * @param child this rank's membership in it
     * @return the same
     */
    protected final Communicator adopt(Communicator child) {
        children.add(child);
        return child;
    }

    /** Leaves the groups that were split off. */
    protected final void closeChildren() {
        children.forEach(Communicator::close);
    }

    /**
     * Refuses memory that is elsewhere.
     *
     * @param device where it is
     * @param tag what it is for
     * @throws UnsupportedBufferException if this member cannot exchange it
     */
    protected final void checkDevice(MemoryDevice device, String tag) {
        if (!device.equals(memory())) {
            throw UnsupportedBufferException.device(communicator, tag, device, memory().toString());
        }
    }

    private void checkReduction(CommBuffer buffer, ReduceOp op, String tag) {
        if (!supports(buffer.dtype(), op)) {
            throw UnsupportedBufferException.reduction(tag, buffer.dtype(), op);
        }
    }

    private void checkRank(int other) {
        if (other < 0 || other >= size) {
            throw new IllegalArgumentException(
                    "Rank " + other + " is not one of the " + size + " of group '" + group + "'");
        }
    }

    private void checkPeer(int other) {
        checkRank(other);
        if (other == rank) {
            throw new IllegalArgumentException("Rank " + rank + " cannot message itself");
        }
    }

    private List<Long> shares(CommBuffer buffer, long[] counts) {
        long sum = 0;
        boolean negative = false;
        for (long count : counts) {
            sum += count;
            negative |= count < 0;
        }
        if (counts.length != size || negative || sum != buffer.count()) {
            throw new IllegalArgumentException(
                    "The shares "
                            + Arrays.toString(counts)
                            + " do not add up to the buffer's "
                            + buffer.count()
                            + " elements on "
                            + size
                            + " ranks");
        }
        return Arrays.stream(counts).boxed().toList();
    }

    @Override
    public String toString() {
        return communicator + " rank " + rank + " of " + size + " in group '" + group + "'";
    }
}
