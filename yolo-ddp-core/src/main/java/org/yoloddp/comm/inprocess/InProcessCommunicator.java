package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HelperThread;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.HostCommunicator;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Work;
import org.yoloddp.error.ConfigurationException;

/**
 * Ranks that are threads of this JVM and exchange through their common memory.
 *
 * <p>Gives the same bits on every run. Works in place on any memory of the host, without a copy
 * between the ranks' buffers and the exchange.
 */
public final class InProcessCommunicator extends HostCommunicator {

    /** The name of this communicator as a provider. */
    public static final String NAME = "in-process";

    private static final Duration LAST_SLICE = Duration.ofSeconds(10);

    private final Group group;
    private final int rank;

    private InProcessCommunicator(Group group, int rank) {
        super(NAME, rank, group.size(), group.name, group.family.deadline);
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
        return group(size, deadline, new InMemoryStore());
    }

    /**
     * Makes the group of all ranks, with a store in which they leave notes.
     *
     * @param size the number of ranks
     * @param deadline the longest that a collective may take before it fails
     * @param store the ranks' store, whose waits end when the group fails
     * @return the communicators; the thread of rank r uses the r-th and closes it
     */
    public static List<Communicator> group(int size, Duration deadline, InMemoryStore store) {
        if (size < 1) {
            throw new ConfigurationException("A group needs at least 1 rank, not " + size);
        }
        if (deadline.isNegative() || deadline.isZero()) {
            throw new ConfigurationException("The deadline must be positive, not " + deadline);
        }
        int[] ranks = IntStream.range(0, size).toArray();
        Group world = new Group("world", ranks, new Family(size, deadline, store));
        List<Communicator> communicators = new ArrayList<>();
        for (int rank : ranks) {
            communicators.add(new InProcessCommunicator(world, rank));
        }
        return List.copyOf(communicators);
    }

    @Override
    protected HostBuffer newBuffer(DType dtype, long count) {
        return HostBuffer.allocate(dtype, count);
    }

    @Override
    protected Work submit(Call call) {
        return new InProcessWork(group, group.submit(rank, call), rank);
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        List<Long> members = members(ranks);
        Op op = group.submit(rank, new Call(Operation.SPLIT, null, null, -1, members, name));
        new InProcessWork(group, op, rank).await(deadline());
        int mine = members.indexOf((long) rank);
        Group child = op.child;
        if (mine < 0 || child == null) {
            return Optional.empty();
        }
        return Optional.of(adopt(new InProcessCommunicator(child, mine)));
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
        closeChildren();
        Op last = group.lastComplete(rank);
        if (last != null) {
            try {
                new InProcessWork(group, last, rank).await(deadline());
            } catch (CommunicationException e) {
                // Whoever awaits the Work learns of it.
            }
        }
        HelperThread executor = group.leave(rank);
        if (executor != null) {
            executor.join(LAST_SLICE);
        }
        freeBuffers();
    }
}
