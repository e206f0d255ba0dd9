package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.FlightRecord;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;

/**
 * One rank's part in a group. What concerns ranks of one host goes over their {@link Board}, what
 * concerns several hosts also along the {@link Chain}.
 *
 * <p>A call goes into the rank's ring on the {@link Board}. An operation starts when it is at the
 * head of the ring of each rank that takes part, and is cut into slices, which any rank's thread
 * claims: the one that waits, or, for what is urgent, the session's own. So a rank that is busy
 * holds nobody up, a rank that comes last does what is small all by itself, and the slices being
 * disjoint, the bits are the same whoever does them. Buckets in shared memory are worked on in
 * place. Ordinary memory passes through a few slices' worth of shared memory, small enough for the
 * caches; only its own rank copies it in and out.
 *
 * <p>An operation ends for all ranks by one change of the board under its lock, and so does the
 * group when it fails: it cannot succeed on one rank and fail on another. A rank says that it is
 * active before it looks whether the group has failed, and others free nothing as long as it is.
 */
final class SharedGroup {

    /** Below this many bytes over all ranks the last rank to come does the work. */
    private static final long SMALL = 64 << 10;

    private static final long SETTLE_NANOS = Duration.ofSeconds(10).toNanos();

    final Session session;
    final String id;
    final String name;
    final int[] worldRanks;
    final int rank;
    final Board board;
    final @Nullable SharedGroup parent;
    final AtomicInteger waiters = new AtomicInteger();

    private final Object queueLock = new Object();
    private final ArrayDeque<Entry> queue = new ArrayDeque<>();
    private final Map<List<Integer>, Long> messages = new HashMap<>();
    private final int[] all;
    private final int[] locals;
    private final @Nullable Chain chain;
    private long submitted;
    private long published;
    private long collectives;
    private boolean left;

    private final ReentrantLock driving = new ReentrantLock();
    Arena.@Nullable Part staging;
    final Worker worker;
    private long failedSince;
    private volatile @Nullable CommunicationException failure;

    SharedGroup(
            Session session,
            String id,
            String name,
            int[] worldRanks,
            int rank,
            Board board,
            @Nullable SharedGroup parent) {
        this.session = session;
        this.id = id;
        this.name = name;
        this.worldRanks = worldRanks;
        this.rank = rank;
        this.board = board;
        this.parent = parent;
        this.all = IntStream.range(0, worldRanks.length).toArray();
        this.locals = Arrays.stream(all).filter(r -> session.isHere(worldRanks[r])).toArray();
        this.chain = locals.length < all.length ? session.chain(id, worldRanks, rank) : null;
        this.worker = new Worker(this, chain);
        session.add(this);
    }

    int size() {
        return worldRanks.length;
    }

    /** Tells whether the group has ranks on other hosts. */
    boolean isWide() {
        return chain != null;
    }

    /** Lists the ranks that share this host. */
    int[] locals() {
        return locals;
    }

    /** Tells whether this rank's connections are there, which it makes if they were not. */
    boolean isConnected() {
        return chain == null || !chain.isLeader() || chain.isConnected();
    }

    /** Waits until this rank's connections are there. */
    void connect(Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        try {
            while (!isConnected() && !checkFailed()) {
                if (System.nanoTime() - end > 0) {
                    throw TcpConnectException.late(worldRanks[rank], name, deadline);
                }
                LockSupport.parkNanos(200_000);
            }
        } catch (Link.BrokenException e) {
            throw TcpConnectException.refused(worldRanks[rank], name, e.peer);
        }
    }

    Entry submit(Call call) {
        Entry entry;
        synchronized (queueLock) {
            if (left) {
                throw CommunicatorClosedException.of(name, worldRanks[rank]);
            }
            entry = enter(call);
            place(entry);
            queue.add(entry);
            publish();
        }
        new LateCalls(this).checkLeft(entry);
        drive(true);
        if (!entry.isDone() && entry.isUrgent()) {
            session.driver.wake();
        }
        return entry;
    }

    private Entry enter(Call call) {
        int[] participants = all;
        long sequence;
        if (call.isMessage()) {
            boolean sends = call.operation() == Operation.SEND;
            participants = sends ? new int[] {rank, call.peer()} : new int[] {call.peer(), rank};
            List<Integer> route = List.of(participants[0], participants[1]);
            sequence = messages.merge(route, 1L, Long::sum) - 1;
        } else {
            sequence = collectives++;
        }
        Fingerprint fingerprint = call.fingerprint(name, sequence);
        int[] here =
                Arrays.stream(participants).filter(r -> session.isHere(worldRanks[r])).toArray();
        FlightRecord record = session.recorder.record(fingerprint);
        return new Entry(submitted++, fingerprint, call.hostBuffer(), participants, here, record);
    }

    /** Shows calls to the others as far as there is room. Called with the queue's lock held. */
    private void publish() {
        for (Entry entry : queue) {
            if (entry.index < published) {
                continue;
            }
            if (entry.index - board.head(rank) >= Board.RING) {
                return;
            }
            board.publish(rank, entry, entry.kind, entry.place);
            published++;
        }
    }

    private void place(Entry entry) {
        HostBuffer buffer = entry.buffer;
        entry.kind = Board.NOWHERE;
        if (entry.locals.length == 1) {
            return;
        }
        try {
            if (entry.call.operation() == Operation.SPLIT) {
                int[] members = localMembers(entry);
                if (members.length > 0 && members[0] == rank) {
                    int bytes = Board.bytes(members.length);
                    entry.place = session.arena().allocate(bytes).place();
                }
            } else if (buffer != null && buffer.count() > 0) {
                entry.kind = Board.SHARED;
                entry.place = session.find(buffer);
                if (entry.place == null) {
                    if (staging == null) {
                        staging = session.arena().allocate(Board.STAGING_BYTES);
                    }
                    entry.kind = Board.STAGED;
                    entry.place = staging.place();
                }
            }
        } catch (IOException e) {
            fail(rankFailed(rank, SharedMemoryException.full(session.shared(), e)));
        }
    }

    /** Lists the members of a new group that share this host, by their order in it. */
    int[] localMembers(Entry split) {
        return split.call.counts().stream()
                .mapToInt(Math::toIntExact)
                .filter(r -> session.isHere(worldRanks[r]))
                .toArray();
    }

    /** Sees what has ended, and does what is small. */
    void look() {
        driving.lock();
        try {
            boolean more = driveLocked(true);
            long end = System.nanoTime() + 10_000_000;
            while (!more && failure != null && !isEmpty() && System.nanoTime() < end) {
                Thread.yield();
                more = driveLocked(true);
            }
        } finally {
            driving.unlock();
        }
    }

    /**
     * Works on operations until there is nothing to do.
     *
     * @param onlySmall whether to leave to others what takes long
     * @return whether there was something to do
     */
    boolean drive(boolean onlySmall) {
        if (!driving.tryLock()) {
            return false;
        }
        try {
            return driveLocked(onlySmall);
        } finally {
            driving.unlock();
        }
    }

    boolean isEmpty() {
        synchronized (queueLock) {
            return queue.isEmpty();
        }
    }

    /** Tells whether something is pending that cannot be left to who waits for it. */
    boolean isUrgent() {
        synchronized (queueLock) {
            return !queue.isEmpty()
                    && (failure != null
                            || published < submitted
                            || queue.stream().anyMatch(Entry::isUrgent));
        }
    }

    private boolean driveLocked(boolean onlySmall) {
        boolean helped = false;
        while (true) {
            boolean failed = checkFailed();
            Entry entry;
            boolean ended;
            synchronized (queueLock) {
                publish();
                entry = queue.peek();
                ended = entry != null && entry.index < published && board.head(rank) > entry.index;
            }
            if (entry == null) {
                return helped;
            }
            if (ended) {
                if (entry.kind == Board.STAGED) {
                    worker.copyOut(entry, true);
                }
                finish(entry);
            } else if (failed) {
                if (!isSettled()) {
                    return helped;
                }
                failRest();
                return true;
            } else if ((!entry.started && !worker.tryStart(entry))
                    || (onlySmall && !entry.isSmall(SMALL))
                    || !worker.work(entry)) {
                return helped;
            }
            helped = true;
        }
    }

    private void finish(Entry entry) {
        synchronized (queueLock) {
            queue.poll();
        }
        entry.end(null);
    }

    private void failRest() {
        List<Entry> rest;
        synchronized (queueLock) {
            rest = new ArrayList<>(queue);
            queue.clear();
            published = submitted;
        }
        rest.forEach(entry -> entry.end(failure));
    }

    /** Tells whether no rank works on an operation any more. */
    private boolean isSettled() {
        if (System.nanoTime() - failedSince > SETTLE_NANOS) {
            return true;
        }
        for (int other : locals) {
            if (other != rank && board.isActive(other) && session.isAlive(worldRanks[other])) {
                return false;
            }
        }
        return true;
    }

    /** Fails the group for all its ranks, unless it has failed. */
    void fail(CommunicationException cause) {
        byte[] record = FailureCodec.bytes(session.decision().orElse(cause), Board.MOST_RECORD);
        Bulletin bulletin = session.bulletin();
        failHere(isWide() && bulletin != null ? bulletin.fail(id, record) : record);
    }

    /** Fails the group for its ranks on this host, unless it has failed. */
    void failHere(byte[] record) {
        board.lock(rank);
        try {
            board.fail(record);
        } finally {
            board.unlock(rank);
        }
        checkFailed();
    }

    /** Tells whether this group, or one that it was split from, has failed. */
    boolean checkFailed() {
        if (failure != null) {
            return true;
        }
        if (board.isFailed()) {
            synchronized (queueLock) {
                if (failure == null) {
                    failedSince = System.nanoTime();
                    failure = FailureCodec.failure(board.record());
                }
            }
            if (parent == null) {
                session.recorder.save();
            }
            return true;
        }
        if (parent != null && parent.checkFailed()) {
            CommunicationException cause = parent.failure;
            if (cause != null) {
                fail(cause);
                return true;
            }
        }
        return false;
    }

    void abort(Throwable cause) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (t instanceof CommunicationException known
                    && !(t instanceof CommunicatorClosedException)) {
                fail(known);
                return;
            }
        }
        if (parent == null) {
            session.report(cause);
        }
        fail(rankFailed(rank, cause));
    }

    CommunicationException rankFailed(int other, @Nullable Throwable cause) {
        return session.rankFailed(this, other, cause);
    }

    /** Tells why the group failed because a rank has waited too long. */
    void timeOut(Entry entry, Duration waited) {
        SharedGroup root = session.root();
        Bulletin bulletin = session.bulletin();
        root.board.takeTurn(root.rank);
        try {
            if (bulletin != null) {
                bulletin.takeTurn();
            }
            if (!entry.isDone() && !checkFailed()) {
                new LateCalls(this).fail(waited);
            }
        } finally {
            if (bulletin != null) {
                bulletin.endTurn();
            }
            root.board.endTurn(root.rank);
        }
    }

    /** Finds the last operation of this rank that will end without anybody else's help. */
    @Nullable Entry lastComplete() {
        LateCalls calls = new LateCalls(this);
        List<Entry> pending;
        synchronized (queueLock) {
            pending = new ArrayList<>(queue);
        }
        if (!pending.isEmpty() && !checkFailed()) {
            calls.ask();
        }
        Entry found = null;
        for (Entry entry : pending) {
            if (!calls.missing(entry).isEmpty()) {
                break;
            }
            found = entry;
        }
        return found;
    }

    boolean hasLeft() {
        synchronized (queueLock) {
            return left;
        }
    }

    /** Marks this rank as gone; whoever waits for it fails. */
    void leave() {
        boolean missed;
        synchronized (queueLock) {
            left = true;
            missed = !queue.isEmpty();
        }
        Bulletin bulletin = session.bulletin();
        if (isWide() && bulletin != null) {
            bulletin.leave(id, worldRanks[rank], answer());
        }
        board.leave(rank);
        if (!checkFailed() && (missed || new LateCalls(this).isExpected(rank))) {
            fail(rankFailed(rank, CommunicatorClosedException.of(name, worldRanks[rank])));
        }
        look();
    }

    boolean isHere(int other) {
        return session.isHere(worldRanks[other]);
    }

    /** Tells whether a call of this group, by another rank, waits for this rank. */
    boolean isAwaitedFor(Fingerprint call) {
        synchronized (queueLock) {
            return call.group().equals(name)
                    && !call.operation().isMessage()
                    && collectives <= call.sequence();
        }
    }

    /** Says where this rank is, for ranks of other hosts. */
    Answer answer() {
        long come;
        Fingerprint head;
        synchronized (queueLock) {
            come = collectives;
            Entry first = queue.peek();
            head = first == null ? null : first.call;
        }
        return session.answer(this, come, head);
    }

    @Nullable Entry head() {
        synchronized (queueLock) {
            return queue.peek();
        }
    }

    List<Integer> world(List<Integer> ranks) {
        return ranks.stream().map(r -> worldRanks[r]).toList();
    }

    @Override
    public String toString() {
        return name + Arrays.toString(worldRanks);
    }
}
