package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.HostReduction;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.UnsupportedBufferException;
import org.yoloddp.comm.Work;
import org.yoloddp.error.ConfigurationException;

/**
 * Ranks that are threads of this JVM and exchange through their common memory.
 *
 * <p>Gives the same bits on every run. Works in place on any memory of the host, without a copy
 * between the ranks' buffers and the exchange.
 */
public final class InProcessCommunicator implements Communicator {

    /** The name of this communicator as a provider. */
    public static final String NAME = "in-process";

    private static final Duration LAST_SLICE = Duration.ofSeconds(10);

    private final Group group;
    private final int rank;
    private final List<HostBuffer> allocated = new CopyOnWriteArrayList<>();
    private final List<Communicator> children = new CopyOnWriteArrayList<>();

    private InProcessCommunicator(Group group, int rank) {
        this.group = group;
        this.rank = rank;
    }

    /**
     * Makes the group of all ranks.
     *
     * @param size the number of ranks
     * @param deadline the longest that a collective may take before it fails
     * @return the communicators; the thread of rank r uses the r-th and closes it
     */
    public static List<Communicator> group(int size, Duration deadline) {
        if (size < 1) {
            throw new ConfigurationException("A group needs at least 1 rank, not " + size);
        }
        if (deadline.isNegative() || deadline.isZero()) {
            throw new ConfigurationException("The deadline must be positive, not " + deadline);
        }
        int[] ranks = IntStream.range(0, size).toArray();
        Group world = new Group("world", ranks, new Family(size, deadline));
        List<Communicator> communicators = new ArrayList<>();
        for (int rank : ranks) {
            communicators.add(new InProcessCommunicator(world, rank));
        }
        return List.copyOf(communicators);
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return group.size();
    }

    @Override
    public String group() {
        return group.name;
    }

    @Override
    public Duration deadline() {
        return group.family.deadline;
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        HostBuffer buffer = HostBuffer.allocate(dtype, count);
        allocated.removeIf(HostBuffer::isClosed);
        allocated.add(buffer);
        return buffer;
    }

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

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        long distinct = Arrays.stream(ranks).peek(this::checkRank).distinct().count();
        if (ranks.length == 0 || distinct < ranks.length) {
            throw new IllegalArgumentException(
                    "A group needs ranks, each once, not " + Arrays.toString(ranks));
        }
        List<Long> members = Arrays.stream(ranks).asLongStream().boxed().toList();
        InProcessWork work =
                submit(Operation.SPLIT, null, null, -1, members, ComputeStream.HOST, name);
        work.await(deadline());
        int mine = members.indexOf((long) rank);
        Group child = work.op().child;
        if (mine < 0 || child == null) {
            return Optional.empty();
        }
        Communicator communicator = new InProcessCommunicator(child, mine);
        children.add(communicator);
        return Optional.of(communicator);
    }

    @Override
    public void progress(String phase, long step) {
        group.family.progress(group.worldRanks[rank], phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        group.abort(rank, cause);
    }

    @Override
    public void close() {
        if (group.hasLeft(rank)) {
            return;
        }
        children.forEach(Communicator::close);
        Op last = group.lastComplete(rank);
        if (last != null) {
            try {
                new InProcessWork(group, last, rank).await(deadline());
            } catch (CommunicationException e) {
                // Whoever awaits the Work learns of it.
            }
        }
        Executor executor = group.leave(rank);
        if (executor != null) {
            executor.join(LAST_SLICE);
        }
        allocated.forEach(HostBuffer::close);
        allocated.clear();
    }

    @Override
    public String toString() {
        return NAME + " rank " + rank + " of " + size() + " in group '" + group() + "'";
    }

    private InProcessWork submit(
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
            Call call = new Call(operation, host, op, peer, counts, tag);
            return new InProcessWork(group, group.submit(rank, call), rank);
        } catch (CommunicationException e) {
            if (host != null) {
                host.release();
            }
            throw e;
        }
    }

    private static void checkDevice(MemoryDevice device, String tag) {
        if (!device.equals(MemoryDevice.HOST)) {
            throw UnsupportedBufferException.device(
                    NAME, tag, device, MemoryDevice.HOST.toString());
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
