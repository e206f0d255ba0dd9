package org.yoloddp.comm.tcp;

import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Slice;

/**
 * What one rank does for the operations of a group, by one thread at a time: starts them, claims
 * slices, copies ordinary memory in and out, goes on with what leads to other hosts, and ends them.
 */
final class Worker {

    /** The size of a slice's place between ordinary and shared memory. */
    static final int STAGE = Slice.BYTES;

    private final SharedGroup group;
    private final Board board;
    private final int rank;
    private final String name;
    private final int[] locals;
    private final @Nullable Chain chain;
    private final Memories memories;

    Worker(SharedGroup group, @Nullable Chain chain) {
        this.group = group;
        this.board = group.board;
        this.rank = group.rank;
        this.name = group.name;
        this.locals = group.locals();
        this.chain = chain;
        this.memories = new Memories(group.session, group.worldRanks);
    }

    /** Starts an operation if all its ranks of this host have come to it. */
    boolean tryStart(Entry entry) {
        try {
            return start(entry);
        } catch (SharedMemoryException e) {
            if (board.head(rank) > entry.index) {
                // The others have ended it, and what was read was of a later operation.
                return false;
            }
            group.fail(group.rankFailed(rank, e));
            return false;
        }
    }

    private boolean start(Entry entry) {
        long[] heads = new long[group.size()];
        for (int other : entry.locals) {
            heads[other] = board.head(other);
            if (board.tail(other) <= heads[other]) {
                return false;
            }
            int slot = board.slot(other, heads[other]);
            if (!belongs(entry, other, slot)) {
                new LateCalls(group).checkCrossing(entry, other, heads[other]);
                return false;
            }
        }
        boolean consistent = isConsistent(entry, heads);
        for (int other : entry.locals) {
            if (board.head(other) != heads[other]) {
                return false;
            }
        }
        if (!consistent) {
            group.fail(new LateCalls(group).mismatch(entry, heads));
            return false;
        }
        entry.heads = heads;
        entry.counts = board.slot(entry.locals[0], heads[entry.locals[0]]);
        entry.dones = entry.counts;
        entry.slices = Slice.plan(entry.call, entry.participants);
        entry.memory = new HostBuffer[group.size()];
        if (!entry.slices.isEmpty()) {
            for (int other : entry.locals) {
                int slot = board.slot(other, heads[other]);
                boolean through = board.kind(slot) == Board.STAGED;
                entry.staged |= through;
                entry.memory[other] =
                        other == rank && !through
                                ? entry.buffer
                                : memories.get(other, board.place(slot), through, entry.call);
            }
        }
        if (entry.call.operation() == Operation.SPLIT && locals.length > 1) {
            int[] members = group.localMembers(entry);
            if (members.length > 0) {
                entry.board = board.place(board.slot(members[0], heads[members[0]]));
            }
        }
        if (entry.isWide() && chain != null) {
            prepare(entry, chain);
        }
        entry.start();
        return true;
    }

    /** Makes this rank's part in the exchange between hosts, if it has one. */
    private void prepare(Entry entry, Chain along) {
        if (entry.isMessage()) {
            int peer = entry.call.peer();
            entry.passage = new MessagePassage(entry, () -> along.message(peer));
            return;
        }
        int run = along.run(rank);
        int leader = along.leader(run);
        entry.dones = board.slot(leader, entry.heads[leader]);
        if (leader != rank) {
            return;
        }
        int[] members = along.members(run);
        entry.passage =
                new ChainPassage(
                        entry,
                        along,
                        run,
                        i -> memory(entry, i),
                        i -> isReady(entry, members, i),
                        member -> !isStaged(entry, member),
                        i -> {
                            if (entry.staged) {
                                board.setDone(entry.dones, i);
                            }
                        });
    }

    /** Tells whether another rank's call is its part of the operation. */
    boolean belongs(Entry entry, int other, int slot) {
        Operation operation = board.operation(slot);
        long sequence = board.sequence(slot);
        if (!entry.isMessage()) {
            return !operation.isMessage() && sequence == entry.call.sequence();
        }
        if (other == rank) {
            return operation == entry.call.operation()
                    && board.peer(slot) == entry.call.peer()
                    && sequence == entry.call.sequence();
        }
        boolean sends = entry.call.operation() == Operation.SEND;
        return operation == (sends ? Operation.RECV : Operation.SEND)
                && board.peer(slot) == rank
                && sequence == entry.call.sequence();
    }

    private boolean isConsistent(Entry entry, long[] heads) {
        for (int other : entry.locals) {
            int slot = board.slot(other, heads[other]);
            if (entry.isMessage()) {
                Fingerprint call = Codec.fingerprint(name, board.call(slot));
                if (call.dtype() != entry.call.dtype()
                        || call.count() != entry.call.count()
                        || !call.tag().equals(entry.call.tag())) {
                    return false;
                }
            } else if (!board.isCall(slot, entry.bytes)) {
                return false;
            }
        }
        return true;
    }

    /** Does a piece of an operation that has started. */
    boolean work(Entry entry) {
        if (entry.isWide()) {
            return workWide(entry);
        }
        int n = entry.slices.size();
        if (n == 0) {
            return workWithoutData(entry);
        }
        boolean helped = entry.kind == Board.STAGED && (copyOut(entry, false) | copyIn(entry));
        int first = entry.locals[0];
        board.setActive(rank, true);
        try {
            if (board.isFailed()) {
                return true;
            }
            int i = board.next(entry.counts, entry.heads[first], n);
            if (i >= n || (entry.staged && !isReady(entry, entry.locals, i))) {
                return helped;
            }
            if (board.claim(entry.counts, entry.heads[first], i)) {
                execute(entry, i);
                if (board.finish(entry.counts) == n) {
                    commit(entry);
                }
            }
            return true;
        } catch (RuntimeException | Error e) {
            group.fail(group.rankFailed(rank, e));
            return true;
        } finally {
            board.setActive(rank, false);
        }
    }

    /** Goes on with the exchange between hosts, and with what passes through shared memory. */
    private boolean workWide(Entry entry) {
        boolean helped = entry.kind == Board.STAGED && (copyOut(entry, false) | copyIn(entry));
        if (entry.acknowledged) {
            return helped;
        }
        board.setActive(rank, true);
        try {
            if (board.isFailed()) {
                return true;
            }
            Passage passage = entry.passage;
            if (passage != null) {
                helped |= passage.step();
                if (!passage.isDone()) {
                    return helped;
                }
            }
            // All runs have to be through, and all ranks to have seen where a split's board is.
            entry.acknowledged = true;
            if (board.finish(entry.counts) == entry.locals.length) {
                commit(entry);
            }
            return true;
        } catch (Passage.MismatchException e) {
            group.fail(new LateCalls(group).wideMismatch(entry, e));
            return true;
        } catch (Link.BrokenException e) {
            group.fail(group.session.lost(group, e));
            return true;
        } catch (RuntimeException | Error e) {
            group.fail(group.rankFailed(rank, e));
            return true;
        } finally {
            board.setActive(rank, false);
        }
    }

    private boolean workWithoutData(Entry entry) {
        if (entry.call.operation() != Operation.SPLIT) {
            commit(entry);
            return true;
        }
        if (entry.acknowledged) {
            return false;
        }
        // A split ends when all ranks have seen where the new board is.
        entry.acknowledged = true;
        if (board.finish(entry.counts) == group.size()) {
            commit(entry);
        }
        return true;
    }

    private void execute(Entry entry, int i) {
        entry.slices.get(i).execute(entry.call, entry.participants, memory(entry, i));
        if (entry.staged) {
            board.setDone(entry.dones, i);
        }
    }

    /** Shows where the elements of a slice are. */
    private Slice.Memory memory(Entry entry, int i) {
        return new Slice.Memory() {
            @Override
            public HostBuffer buffer(int other) {
                HostBuffer buffer = entry.memory[other];
                if (buffer == null) {
                    throw new IllegalStateException("Rank " + other + " has no memory");
                }
                return buffer;
            }

            @Override
            public long index(int other, long element) {
                return isStaged(entry, other) ? stage(i, buffer(other)) : element;
            }
        };
    }

    private boolean isStaged(Entry entry, int other) {
        return entry.staged && board.kind(board.slot(other, entry.heads[other])) == Board.STAGED;
    }

    private boolean isReady(Entry entry, int[] ranks, int i) {
        for (int other : ranks) {
            if (isStaged(entry, other) && board.ready(board.slot(other, entry.heads[other])) <= i) {
                return false;
            }
        }
        return true;
    }

    /** Copies this rank's contribution to where the others see it, a few slices ahead. */
    private boolean copyIn(Entry entry) {
        boolean copied = false;
        int slot = board.slot(rank, entry.index);
        while (entry.copiedIn < entry.slices.size()
                && entry.copiedIn < entry.copiedOut + Board.STAGES) {
            int i = entry.copiedIn;
            Slice slice = entry.slices.get(i);
            if (slice.reads(entry.call, rank)) {
                HostBuffer from = buffer(entry);
                from.copyTo(stage(entry), slice.from(), stage(i, from), slice.count());
            }
            entry.copiedIn++;
            board.setReady(slot, entry.copiedIn);
            copied = true;
        }
        return copied;
    }

    /** Copies results back to this rank's own memory. */
    boolean copyOut(Entry entry, boolean ended) {
        if (!entry.started) {
            entry.slices = Slice.plan(entry.call, entry.participants);
        }
        boolean copied = false;
        while (entry.copiedOut < entry.slices.size()
                && (ended || board.isDone(entry.dones, entry.copiedOut))) {
            int i = entry.copiedOut;
            Slice slice = entry.slices.get(i);
            if (slice.writes(entry.call, rank)) {
                HostBuffer to = buffer(entry);
                stage(entry).copyTo(to, stage(i, to), slice.from(), slice.count());
            }
            entry.copiedOut++;
            copied = true;
        }
        return copied;
    }

    private HostBuffer stage(Entry entry) {
        Arena.Place place = entry.place;
        if (place == null) {
            throw new IllegalStateException("No shared memory for " + entry.call.describe());
        }
        return memories.get(rank, place, true, entry.call);
    }

    private static long stage(int slice, HostBuffer buffer) {
        return (long) slice % Board.STAGES * (STAGE / buffer.dtype().bytes());
    }

    private static HostBuffer buffer(Entry entry) {
        HostBuffer buffer = entry.buffer;
        if (buffer == null) {
            throw new IllegalStateException(entry.call.describe() + " has no memory");
        }
        return buffer;
    }

    /** Ends an operation for all its ranks, unless somebody has or the group has failed. */
    private void commit(Entry entry) {
        int first = entry.locals[0];
        board.lock(rank);
        try {
            if (!board.isFailed() && board.head(first) == entry.heads[first]) {
                for (int other : entry.locals) {
                    board.advance(other);
                }
            }
        } finally {
            board.unlock(rank);
        }
    }
}
