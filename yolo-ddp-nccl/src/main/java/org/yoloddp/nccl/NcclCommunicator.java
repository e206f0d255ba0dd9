package org.yoloddp.nccl;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CheckedCommunicator;
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
final class NcclCommunicator extends CheckedCommunicator {

    private final NcclSession session;
    private final NcclGroup group;
    private final List<CommBuffer> allocated = new CopyOnWriteArrayList<>();
    private boolean closed;

    NcclCommunicator(NcclSession session, NcclGroup group) {
        super(NcclProvider.NAME, group.rank, group.size(), group.name, session.deadline);
        this.session = session;
        this.group = group;
    }

    @Override
    protected MemoryDevice memory() {
        return session.memory();
    }

    @Override
    protected boolean supports(DType dtype, ReduceOp op) {
        boolean promised =
                op.kind() != ReduceOp.Kind.PREMULTIPLIED_SUM
                        || session.has(NcclFunction.RED_OP_CREATE_PRE_MUL_SUM);
        return promised && (dtype.isFloating() || !op.isScaled());
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
                                session.cuda(),
                                group.device.stream(),
                                dtype,
                                count,
                                session.deadline);
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
    protected NcclWork submit(Call call, ComputeStream producer) {
        return group.submit(call, producer.record());
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        List<Long> members = members(ranks);
        NcclWork work =
                submit(
                        new Call(Operation.SPLIT, null, null, -1, members, name),
                        ComputeStream.HOST);
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
            abort(e);
            throw e;
        }
    }

    private Communicator member(NcclWork work, int mine, int[] ranks) {
        int[] world = Arrays.stream(ranks).map(rank -> group.world[rank]).toArray();
        String id = LedgerGroup.childId(group.id, work.call.sequence());
        NcclGroup child = new NcclGroup(session, id, work.call.tag(), world, mine);
        session.add(child);
        Communicator communicator = adopt(new NcclCommunicator(session, child));
        child.device.open();
        NcclInit.connect(group, child);
        return communicator;
    }

    @Override
    public void progress(String phase, long step) {
        session.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        group.failing.abort(cause);
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        closeChildren();
        group.ending.leave();
        group.ending.release();
        allocated.forEach(CommBuffer::close);
        allocated.clear();
        session.remove(group);
        if (group.id.equals(Ledger.WORLD)) {
            session.close();
        }
    }

    @Override
    public String toString() {
        return super.toString() + " on cuda:" + session.device;
    }
}
