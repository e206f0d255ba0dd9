package org.yoloddp.nccl;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.DeviceBuffer;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.UnsupportedBufferException;
import org.yoloddp.comm.Work;

/**
 * A rank's membership in a group over NCCL: checks what is asked for, and gives it to the group.
 *
 * <p>A collective begins behind what its producer was given before, on a stream of the
 * communicator's own; what uses the result is ordered behind it by {@link Work#orderBefore}. The
 * host waits for neither. NCCL promises no order of summing, so results agree with those of other
 * communicators to rounding; {@code NCCL_ALGO} and {@code NCCL_PROTO} keep them equal from run to
 * run on one set of machines.
 */
final class NcclCommunicator implements Communicator {

    private final NcclSession session;
    private final NcclGroup group;
    private final boolean isWorld;
    private final List<CommBuffer> allocated = new CopyOnWriteArrayList<>();
    private final List<Communicator> children = new CopyOnWriteArrayList<>();
    private boolean closed;

    NcclCommunicator(NcclSession session, NcclGroup group, boolean isWorld) {
        this.session = session;
        this.group = group;
        this.isWorld = isWorld;
    }

    @Override
    public int rank() {
        return group.rank;
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
        return session.deadline;
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        return allocate(dtype, count, MemoryDevice.HOST);
    }

    @Override
    public CommBuffer allocate(DType dtype, long count, MemoryDevice device) {
        if (!device.equals(session.memory())) {
            throw UnsupportedBufferException.memory(group(), device);
        }
        allocated.removeIf(NcclCommunicator::isClosed);
        CommBuffer buffer =
                device.isHost()
                        ? HostBuffer.allocate(dtype, count)
                        : DeviceMemory.allocate(
                                session.cuda(), group.stream(), dtype, count, session.deadline);
        allocated.add(buffer);
        return buffer;
    }

    private static boolean isClosed(CommBuffer buffer) {
        DeviceMemory memory = DeviceMemory.of(buffer);
        return memory != null
                ? memory.isClosed()
                : buffer instanceof HostBuffer host && host.isClosed();
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        checkDevice(device, "wrap");
        return device.isHost()
                ? HostBuffer.wrap(address, dtype, count, owner)
                : DeviceBuffer.wrap(address, dtype, count, device, owner);
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

    private Work submit(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            ComputeStream producer,
            String tag) {
        if (buffer != null) {
            checkDevice(buffer.device(), tag);
        }
        if (!producer.device().isHost()) {
            checkDevice(producer.device(), tag);
        }
        return group.submit(operation, buffer, op, peer, counts, producer.record(), tag);
    }

    private void checkDevice(MemoryDevice device, String tag) {
        MemoryDevice own = session.memory();
        if (!device.equals(own)) {
            throw UnsupportedBufferException.device(NcclProvider.NAME, tag, device, own.toString());
        }
    }

    private static void checkReduction(CommBuffer buffer, ReduceOp op, String tag) {
        if (op == ReduceOp.AVG && !buffer.dtype().isFloating()) {
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
        boolean negative = Arrays.stream(counts).anyMatch(count -> count < 0);
        if (counts.length != size() || negative || Arrays.stream(counts).sum() != buffer.count()) {
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

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        long distinct = Arrays.stream(ranks).peek(this::checkRank).distinct().count();
        if (ranks.length == 0 || distinct < ranks.length) {
            throw new IllegalArgumentException(
                    "A group needs ranks, each once, not " + Arrays.toString(ranks));
        }
        List<Long> members = Arrays.stream(ranks).asLongStream().boxed().toList();
        NcclWork work =
                group.submit(
                        Operation.SPLIT,
                        null,
                        null,
                        -1,
                        members,
                        ComputeStream.HOST.record(),
                        name);
        work.await(deadline());
        group.awaitLaunched();
        int mine = members.indexOf((long) rank());
        try {
            if (mine < 0) {
                NcclInit.skip(group);
                return Optional.empty();
            }
            return Optional.of(member(work, mine, ranks));
        } catch (RuntimeException e) {
            group.abort(e);
            throw e;
        }
    }

    private Communicator member(NcclWork work, int mine, int[] ranks) {
        int[] world = Arrays.stream(ranks).map(rank -> group.world[rank]).toArray();
        String id = LedgerGroup.childId(group.id, work.call.sequence());
        NcclGroup child = new NcclGroup(session, id, work.call.tag(), world, mine);
        session.add(child);
        NcclCommunicator communicator = new NcclCommunicator(session, child, false);
        children.add(communicator);
        child.device().open();
        NcclInit.connect(group, child);
        return communicator;
    }

    @Override
    public void progress(String phase, long step) {
        session.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        group.abort(cause);
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        children.forEach(Communicator::close);
        group.leave();
        group.release();
        allocated.forEach(CommBuffer::close);
        allocated.clear();
        session.remove(group);
        if (isWorld) {
            session.close();
        }
    }

    @Override
    public String toString() {
        return NcclProvider.NAME
                + " rank "
                + rank()
                + " of "
                + size()
                + " in group '"
                + group()
                + "' on cuda:"
                + session.device;
    }
}
