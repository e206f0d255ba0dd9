package org.yoloddp.comm;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A communicator that passes everything on to another one; subclasses look at what they want to.
 *
 * <p>All collectives and messages go through {@link #submit}; {@link #split} doesn't, and gives the
 * other communicator's part unwrapped. As thread-safe as what it wraps.
 */
public abstract class ForwardingCommunicator implements Communicator {

    private final Communicator inner;
    private final AtomicLong sequence = new AtomicLong();

    /**
     * Wraps a communicator.
     *
     * @param inner what to wrap; closed with the wrapper
     */
    protected ForwardingCommunicator(Communicator inner) {
        this.inner = inner;
    }

    /**
     * Submits a collective or message.
     *
     * @param call what the caller asks for, numbered by this wrapper
     * @param buffer the caller's buffer, null for a barrier
     * @param collective submits it to the wrapped communicator
     * @return the pending work
     */
    protected abstract Work submit(
            Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective);

    /**
     * Describes a call, and takes the next sequence number for it.
     *
     * @param operation what is to be done
     * @param buffer the data, null where none is moved
     * @param op how contributions are combined, null where they are not
     * @param peer the root or the other rank, -1 where there is none
     * @param counts the shares, or the ranks of a split
     * @param tag the caller's name for it
     * @return the description
     */
    protected final Fingerprint call(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            String tag) {
        return new Fingerprint(
                group(),
                sequence.getAndIncrement(),
                operation,
                buffer == null ? null : buffer.dtype(),
                buffer == null ? 0 : buffer.count(),
                op,
                peer,
                counts,
                tag);
    }

    private static List<Long> list(long[] counts) {
        return Arrays.stream(counts).boxed().toList();
    }

    @Override
    public int rank() {
        return inner.rank();
    }

    @Override
    public int size() {
        return inner.size();
    }

    @Override
    public String group() {
        return inner.group();
    }

    @Override
    public Duration deadline() {
        return inner.deadline();
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        return inner.allocate(dtype, count);
    }

    @Override
    public CommBuffer allocate(DType dtype, long count, MemoryDevice device) {
        return inner.allocate(dtype, count, device);
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        return inner.wrap(address, dtype, count, device, owner);
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.ALL_REDUCE, buffer, op, -1, List.of(), tag);
        return submit(call, buffer, () -> inner.allReduce(buffer, op, producer, tag));
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.BROADCAST, buffer, null, root, List.of(), tag);
        return submit(call, buffer, () -> inner.broadcast(buffer, root, producer, tag));
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.REDUCE_SCATTER, buffer, op, -1, list(counts), tag);
        return submit(call, buffer, () -> inner.reduceScatter(buffer, counts, op, producer, tag));
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.ALL_GATHER, buffer, null, -1, list(counts), tag);
        return submit(call, buffer, () -> inner.allGather(buffer, counts, producer, tag));
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.SEND, buffer, null, destination, List.of(), tag);
        return submit(call, buffer, () -> inner.send(buffer, destination, producer, tag));
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        Fingerprint call = call(Operation.RECV, buffer, null, source, List.of(), tag);
        return submit(call, buffer, () -> inner.recv(buffer, source, producer, tag));
    }

    @Override
    public Work barrier(String tag) {
        Fingerprint call = call(Operation.BARRIER, null, null, -1, List.of(), tag);
        return submit(call, null, () -> inner.barrier(tag));
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        return inner.split(name, ranks);
    }

    @Override
    public void progress(String phase, long step) {
        inner.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        inner.abort(cause);
    }

    @Override
    public Optional<CommunicationException> failure() {
        return inner.failure();
    }

    @Override
    public void close() {
        inner.close();
    }
}
