package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.HostCommunicator;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Work;

/**
 * Ranks that are processes, on one host or several.
 *
 * <p>On a host they exchange through shared memory: buckets that the communicator allocates lie in
 * it and are worked on in place, by whichever rank waits, so that a rank which computes keeps its
 * cores; other memory passes through a window. Between hosts it is a chain over sockets, in the
 * order of ranks. Gives the same bits as {@link org.yoloddp.comm.inprocess.InProcessCommunicator},
 * however the ranks are spread.
 *
 * <p>When a group fails, all of its ranks fail with the same cause, but of several hosts one may
 * have come through one collective more than another. On a host one word of memory says for all
 * ranks whether a collective succeeded or the group failed before. Between hosts the result itself
 * is the sign: who has all of it goes on, while its last bytes are on their way to the next host,
 * and may never arrive. To make that exact, a host that has the result would have to hold it back
 * until it knows that each host has it, and to ask a third party that both sides can reach whether
 * all were told so, whenever the line breaks in between: one round trip more for every collective,
 * of which small ones take hardly more than one, and a wait without end for a host that is cut off
 * from that party. Nothing is gained by it: a failed group does no more work, a run that is started
 * again goes on from what rank 0 has saved, and what all ranks must have done before something is
 * saved is what a collective behind it is for.
 */
public final class TcpCommunicator extends HostCommunicator {

    /** The name of this communicator as a provider. */
    public static final String NAME = "tcp";

    private static final Logger LOG = LoggerFactory.getLogger(TcpCommunicator.class);

    private final Session session;
    private final SharedGroup group;
    private final AtomicBoolean warned = new AtomicBoolean();

    TcpCommunicator(Session session, SharedGroup group) {
        super(NAME, group.rank, group.size(), group.name, session.deadline);
        this.session = session;
        this.group = group;
    }

    @Override
    protected HostBuffer newBuffer(DType dtype, long count) {
        return session.isAlone() ? HostBuffer.allocate(dtype, count) : share(dtype, count);
    }

    private HostBuffer share(DType dtype, long count) {
        try {
            Arena.Part part =
                    session.arena().allocate(Math.multiplyExact(count, (long) dtype.bytes()));
            return HostBuffer.lend(
                    part.memory(), dtype, count, () -> session.arena().release(part));
        } catch (IOException e) {
            if (!warned.getAndSet(true)) {
                LOG.warn(
                        "Rank {} gets no {} bytes of shared memory in {} ({}): {}. Buckets in"
                                + " ordinary memory are exchanged by copying, which is slower. Make it"
                                + " larger, for a container by --shm-size.",
                        session.rank,
                        count * dtype.bytes(),
                        session.shared().folder(),
                        session.shared().space(),
                        e.getMessage());
            }
            return HostBuffer.allocate(dtype, count);
        }
    }

    @Override
    protected Work submit(Call call) {
        return new TcpWork(group, group.submit(call));
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        List<Long> members = members(ranks);
        Entry entry = group.submit(new Call(Operation.SPLIT, null, null, -1, members, name));
        new TcpWork(group, entry).await(deadline());
        int mine = members.indexOf((long) rank());
        if (mine < 0) {
            return Optional.empty();
        }
        int[] world =
                members.stream().mapToInt(r -> group.worldRanks[Math.toIntExact(r)]).toArray();
        String id = group.id + "." + entry.call.sequence();
        SharedGroup child =
                new SharedGroup(session, id, name, world, mine, board(entry, world), group);
        child.connect(deadline());
        return Optional.of(adopt(new TcpCommunicator(session, child)));
    }

    private Board board(Entry entry, int[] world) {
        int[] here = group.localMembers(entry);
        int bytes = Board.bytes(here.length);
        Arena.Place place = entry.board;
        ByteBuffer memory =
                place == null
                        ? ByteBuffer.allocateDirect(bytes + 64).alignedSlice(64)
                        : session.piece(group.worldRanks[here[0]], place.piece())
                                .slice(place.offset(), bytes);
        return new Board(new Words(memory), session.seats(world));
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
        if (group.hasLeft()) {
            return;
        }
        closeChildren();
        Entry last = group.lastComplete();
        if (last != null) {
            try {
                new TcpWork(group, last).await(deadline());
            } catch (CommunicationException e) {
                // Whoever awaits the Work learns of it.
            }
        }
        group.leave();
        session.remove(group);
        session.disconnect(group);
        if (group == session.root()) {
            session.close();
        }
        freeBuffers();
    }
}
