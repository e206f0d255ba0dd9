package org.yoloddp.comm;

import java.time.Duration;
import java.util.Optional;

/**
 * One rank's membership in a group of ranks that run collectives together.
 *
 * <p>Every rank of the group submits the same collectives in the same order; a submission returns
 * at once, and each group executes in order of submission. Each collective carries a fingerprint
 * (group, sequence number, operation, type, length, tag); ranks that differ all fail with a {@link
 * CollectiveMismatchException}. After the first failure, and after {@link #abort}, every pending
 * and later collective of the group fails on all ranks with the same cause. Where ranks share no
 * memory, one of them may have come through a collective that was just ending on another, and
 * failed there.
 *
 * <p>Thread-safe, but the order of submission is the caller's to keep.
 */
public interface Communicator extends AutoCloseable {

    /**
     * Returns this member's number in the group.
     *
     * @return the rank, from 0 to {@code size() - 1}
     */
    int rank();

    /**
     * Returns the number of members.
     *
     * @return the size, 1 or more
     */
    int size();

    /**
     * Returns the name of the group.
     *
     * @return the name, {@code world} for the group of all ranks
     */
    String group();

    /**
     * Returns the longest that a collective may take before it fails.
     *
     * @return the deadline
     */
    Duration deadline();

    /**
     * Allocates zeroed memory of the host that this communicator can exchange without copying.
     *
     * @param dtype the element type
     * @param count the number of elements
     * @return a buffer, aligned to 64 bytes
     */
    CommBuffer allocate(DType dtype, long count);

    /**
     * Allocates zeroed memory of a device that this communicator can exchange without copying. The
     * zeros are there for every stream from the moment that this returns. It may wait for the
     * device, so nothing is allocated within a step. The buffer may be closed while work that was
     * submitted before, to this communicator or to any stream of the device, still uses the memory.
     *
     * @param dtype the element type
     * @param count the number of elements
     * @param device the host, or the device of this rank
     * @return a buffer, aligned to 64 bytes
     * @throws UnsupportedBufferException if the communicator has no memory there; the default for
     *     every device but the host
     */
    default CommBuffer allocate(DType dtype, long count, MemoryDevice device) {
        if (!device.isHost()) {
            throw UnsupportedBufferException.memory(group(), device);
        }
        return allocate(dtype, count);
    }

    /**
     * Wraps memory of somebody else.
     *
     * @param address the address of the first element
     * @param dtype the element type
     * @param count the number of elements
     * @param device where the memory lives
     * @param owner what keeps the memory alive
     * @return a buffer over it
     */
    CommBuffer wrap(long address, DType dtype, long count, MemoryDevice device, Object owner);

    /**
     * Combines the buffers of all ranks; each ends with its own copy of the result.
     *
     * @param buffer contribution and result
     * @param op how to combine
     * @param producer the stream that fills the buffer
     * @param tag names the collective in messages, and must be the same on all ranks
     * @return the pending work
     */
    Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag);

    /**
     * Copies the root's buffer to all ranks.
     *
     * @param buffer source on the root, destination elsewhere
     * @param root the source's rank
     * @param producer the stream that fills the buffer
     * @param tag names the collective
     * @return the pending work
     */
    Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag);

    /**
     * Combines the buffers of all ranks and leaves each rank its share of the result, in place.
     *
     * @param buffer the contribution; afterwards the share of rank r, that is {@code counts[r]}
     *     elements behind those of the ranks before it, holds the result and the rest is undefined
     * @param counts the number of elements of each rank's share; their sum is the buffer's count
     * @param op how to combine
     * @param producer the stream that fills the buffer
     * @param tag names the collective
     * @return the pending work
     */
    Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag);

    /**
     * Collects every rank's share on all ranks, in place.
     *
     * @param buffer holds this rank's share at its place behind those of the ranks before it;
     *     afterwards all shares
     * @param counts the number of elements of each rank's share, 0 allowed; their sum is the
     *     buffer's count
     * @param producer the stream that fills the buffer
     * @param tag names the collective
     * @return the pending work
     */
    Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag);

    /**
     * Sends a buffer to one rank, which calls {@link #recv}. Messages keep their place in the order
     * of submission like collectives do, so of two ranks that exchange one sends first and the
     * other receives first.
     *
     * @param buffer what to send
     * @param destination the receiver
     * @param producer the stream that fills the buffer
     * @param tag names the message
     * @return the pending work
     */
    Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag);

    /**
     * Receives a buffer from one rank, which calls {@link #send}.
     *
     * @param buffer where to put it
     * @param source the sender
     * @param producer the stream that used the buffer before
     * @param tag names the message
     * @return the pending work
     */
    Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag);

    /**
     * Waits for all ranks.
     *
     * @param tag names the barrier
     * @return the pending work
     */
    Work barrier(String tag);

    /**
     * Makes a group of some ranks, with an order and sequence numbers of its own. This is a
     * collective that blocks: every rank of this group calls it with the same arguments, members of
     * the new group or not.
     *
     * @param name the name of the new group
     * @param ranks the members, as ranks of this group, in the order of their new ranks
     * @return the new group; empty on a rank that is not a member
     */
    Optional<Communicator> split(String name, int... ranks);

    /**
     * Tells the failure channel where this rank is, so that a failure names phase and step. Cheap,
     * never blocks, and not a collective.
     *
     * @param phase what the rank is doing, such as {@code train} or {@code validate}
     * @param step the step it is about to do, counted since the start of training
     */
    void progress(String phase, long step);

    /**
     * Fails every pending and later collective of this group, and of the groups split from it, on
     * all ranks: with a {@link RankFailedException} that names this rank and holds the cause, or,
     * if the cause is itself a {@link CommunicationException} or stems from one, with that one. The
     * first failure of a group stays; later ones are ignored.
     *
     * @param cause why
     */
    void abort(Throwable cause);

    /**
     * Tells what the group has failed of, also while its rank is busy elsewhere and calls nothing.
     *
     * @return the failure that later collectives will throw; empty while all is well, or if this
     *     communicator learns of failures in its collectives only, which is the default
     */
    default Optional<CommunicationException> failure() {
        return Optional.empty();
    }

    /**
     * Leaves the group and the groups split from it. Waits for collectives that all ranks have
     * submitted; those that others still expect of this rank fail. Frees what this communicator
     * allocated. Idempotent.
     */
    @Override
    void close();
}
