package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.FlightRecorder;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;
import org.yoloddp.comm.Store;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.StoreLostException;

/** One rank's place in the world: who the others are, the memory they share, the rank's groups. */
final class Session {

    private static final Logger LOG = LoggerFactory.getLogger(Session.class);
    private static final Duration DECISION = Duration.ofMillis(400);
    private static final Duration LAST_SLICE = Duration.ofSeconds(10);

    /**
     * A rank's first piece: what ordinary memory passes through, and a little for small buckets.
     */
    static final int WINDOW_BYTES = Board.STAGING_BYTES + (256 << 10);

    final int rank;
    final Duration deadline;
    final Driver driver;

    /** Spinning helps only while every rank has a core to itself. */
    final long spinNanos;

    final long yieldNanos;

    /** This rank's last calls, for the log of a failure. */
    final FlightRecorder recorder;

    private final World world;
    private final SharedMemory shared;
    private final Map<Integer, RankArea> areas = new HashMap<>();
    private final Map<Integer, @Nullable ByteBuffer[]> pieces = new HashMap<>();
    private final Arena arena;
    private final @Nullable Links links;
    private final @Nullable Bulletin bulletin;
    private final @Nullable FailureChannel channel;
    private final SharedGroup root;
    private final List<SharedGroup> groups = new CopyOnWriteArrayList<>();

    /**
     * Who the ranks are.
     *
     * @param facts what they say of themselves
     * @param hosts a number for each, the same for those that share memory
     */
    record World(List<Facts> facts, int[] hosts) {

        int size() {
            return hosts.length;
        }

        int[] sharing(int rank) {
            return IntStream.range(0, size()).filter(r -> hosts[r] == hosts[rank]).toArray();
        }
    }

    private Session(
            int rank,
            Duration deadline,
            World world,
            SharedMemory shared,
            ByteBuffer control,
            @Nullable Links links,
            Store store,
            @Nullable FailureChannel channel) {
        int[] here = world.sharing(rank);
        this.rank = rank;
        this.deadline = deadline;
        this.recorder = new FlightRecorder(rank);
        this.world = world;
        this.shared = shared;
        this.links = links;
        this.channel = channel;
        Words words = new Words(control);
        for (int i = 0; i < here.length; i++) {
            areas.put(here[i], area(words, i));
            pieces.put(here[i], new ByteBuffer[RankArea.MOST_PIECES]);
        }
        boolean cores = here.length <= Runtime.getRuntime().availableProcessors();
        this.spinNanos = cores ? 2_000 : 0;
        this.yieldNanos = 1_000_000;
        this.arena = new Arena(this::createPiece);
        this.driver = new Driver(this, "yolo-ddp-tcp-" + rank);
        this.bulletin = links == null ? null : new Bulletin(this, store);
        Words board = words.part(here.length * RankArea.BYTES, Board.bytes(here.length));
        int[] all = IntStream.range(0, world.size()).toArray();
        this.root =
                new SharedGroup(
                        this, "world", "world", all, rank, new Board(board, seats(all)), null);
        if (here.length > 1) {
            adoptWindows(control, here);
        }
    }

    /** What the world exchanges of ordinary memory always finds room, from the start. */
    private void adoptWindows(ByteBuffer control, int[] here) {
        for (int i = 0; i < here.length; i++) {
            int at = windowsAt(here.length) + i * WINDOW_BYTES;
            pieces(here[i])[0] = control.slice(at, WINDOW_BYTES).order(ByteOrder.nativeOrder());
            if (here[i] == rank) {
                area(rank).addPiece(0, WINDOW_BYTES);
                arena.adopt(pieces(rank)[0]);
            }
        }
        try {
            root.staging = arena.allocate(Board.STAGING_BYTES);
        } catch (IOException e) {
            throw new IllegalStateException("The first piece holds as much", e);
        }
    }

    static RankArea area(Words control, int seat) {
        return new RankArea(control.part(seat * RankArea.BYTES, RankArea.BYTES));
    }

    /** Says how much memory the ranks of a host need to show each other where they are. */
    static int controlBytes(int ranks) {
        return ranks * RankArea.BYTES + Board.bytes(ranks);
    }

    private static int windowsAt(int ranks) {
        return (controlBytes(ranks) + 4095) / 4096 * 4096;
    }

    /** Says how much memory the ranks of a host need to exchange anything. */
    static int sharedBytes(int ranks) {
        return Math.addExact(windowsAt(ranks), Math.multiplyExact(ranks, WINDOW_BYTES));
    }

    static Session start(
            int rank,
            Duration deadline,
            World world,
            SharedMemory shared,
            ByteBuffer control,
            @Nullable Links links,
            Store store,
            @Nullable FailureChannel channel) {
        Session session =
                new Session(rank, deadline, world, shared, control, links, store, channel);
        session.driver.start();
        if (channel != null) {
            channel.onFailure(session::failOfChannel);
        }
        return session;
    }

    /**
     * Fails the world, on a thread of its own as others are told too: the channel's must not wait.
     * Others that share memory may hear the store still which this rank has lost; for them it is
     * this rank that has failed.
     */
    private void failOfChannel(CommunicationException cause) {
        CommunicationException told =
                cause instanceof StoreLostException ? rankFailed(root, root.rank, cause) : cause;
        Thread thread = new Thread(() -> root.fail(told), "yolo-ddp-tcp-" + rank + "-failure");
        thread.setDaemon(true);
        thread.start();
    }

    /** Finds the places of a group's ranks on a board, -1 for those of other hosts. */
    int[] seats(int[] worldRanks) {
        int[] seats = new int[worldRanks.length];
        int next = 0;
        for (int i = 0; i < seats.length; i++) {
            seats[i] = isHere(worldRanks[i]) ? next++ : -1;
        }
        return seats;
    }

    boolean isHere(int other) {
        return world.hosts[other] == world.hosts[rank];
    }

    /** Tells whether no other rank shares this host. */
    boolean isAlone() {
        return areas.size() == 1;
    }

    @Nullable Bulletin bulletin() {
        return bulletin;
    }

    Chain chain(String id, int[] worldRanks, int member) {
        Links known = links;
        if (known == null) {
            throw new IllegalStateException("One host has no connections");
        }
        int[] hosts = Arrays.stream(worldRanks).map(r -> world.hosts[r]).toArray();
        return new Chain(hosts, member, worldRanks, id, known);
    }

    SharedGroup root() {
        return root;
    }

    void add(SharedGroup group) {
        groups.add(group);
    }

    void remove(SharedGroup group) {
        groups.remove(group);
    }

    List<SharedGroup> groups() {
        return groups;
    }

    Arena arena() {
        return arena;
    }

    SharedMemory shared() {
        return shared;
    }

    void progress(String phase, long step) {
        recorder.progress(phase, step);
        area(rank).progress(phase, step);
        if (channel != null) {
            channel.progress(phase, step);
        }
    }

    Arena.@Nullable Place find(HostBuffer buffer) {
        return arena.find(buffer.address(), buffer.count() * buffer.dtype().bytes());
    }

    private RankArea area(int owner) {
        RankArea area = areas.get(owner);
        if (area == null) {
            throw new IllegalArgumentException("Rank " + owner + " is on another host");
        }
        return area;
    }

    private @Nullable ByteBuffer[] pieces(int owner) {
        @Nullable ByteBuffer[] known = pieces.get(owner);
        if (known == null) {
            throw new IllegalArgumentException("Rank " + owner + " is on another host");
        }
        return known;
    }

    private String pieceName(int owner, int piece) {
        return world.facts.get(owner).files(owner) + "-" + piece;
    }

    private ByteBuffer createPiece(int piece, int bytes) throws IOException {
        if (piece >= RankArea.MOST_PIECES) {
            throw new IOException("a rank shares at most " + RankArea.MOST_PIECES + " pieces");
        }
        ByteBuffer memory = shared.create(pieceName(rank, piece), bytes);
        pieces(rank)[piece] = memory;
        area(rank).addPiece(piece, bytes);
        return memory;
    }

    /** Returns a rank's piece, which is mapped the first time; the last to map it unlinks it. */
    synchronized ByteBuffer piece(int owner, int piece) {
        ByteBuffer memory = pieces(owner)[piece];
        if (memory == null) {
            String name = pieceName(owner, piece);
            try {
                memory = shared.open(name, area(owner).bytes(piece));
            } catch (IOException e) {
                throw SharedMemoryException.notMapped(shared.path(name).toString(), owner, e);
            }
            pieces(owner)[piece] = memory;
            if (area(owner).mapped(piece) == areas.size() - 1) {
                shared.delete(name);
            }
        }
        return memory;
    }

    /** Maps what peers have allocated, so that no file is left of it, and sees who has died. */
    void lookAfterPeers() {
        for (int other : areas.keySet()) {
            if (other == rank || root.board.hasLeft(other)) {
                continue;
            }
            try {
                for (int piece = 0; piece < area(other).pieces(); piece++) {
                    piece(other, piece);
                }
            } catch (SharedMemoryException e) {
                LOG.debug("to be tried again when it is needed", e);
            }
            if (!isAlive(other) && !root.board.hasLeft(other) && !root.checkFailed()) {
                root.fail(decided(rankFailed(root, other, null)));
            }
        }
        groups.forEach(SharedGroup::checkFailed);
    }

    /** Tells whether a rank's process is there, as far as it can be known. */
    boolean isAlive(int other) {
        Facts mine = world.facts.get(rank);
        Facts theirs = world.facts.get(other);
        return theirs.pid() == mine.pid()
                || !theirs.namespace().equals(mine.namespace())
                || OsProcess.start(theirs.pid()).equals(theirs.start());
    }

    /** Says that this rank waits for others, or no longer. */
    void waits(Fingerprint call, boolean begins) {
        if (channel != null && begins) {
            channel.waiting(call);
        } else if (channel != null) {
            channel.finished(call);
        }
    }

    /** Reports what this rank dies of to where root causes are decided. */
    void report(Throwable cause) {
        if (channel != null) {
            channel.report(cause);
        }
    }

    /** Returns what the failure channel has decided, and so told to all ranks. */
    Optional<CommunicationException> decision() {
        return channel == null ? Optional.empty() : channel.failure();
    }

    /** Gives the failure channel, which knows more, a moment to say why a rank is gone. */
    private CommunicationException decided(CommunicationException seen) {
        return channel == null ? seen : channel.settle(seen, DECISION);
    }

    /** Says where this rank is in a group. */
    Answer answer(SharedGroup group, long collectives, @Nullable Fingerprint head) {
        List<Fingerprint> elsewhere = new ArrayList<>();
        for (SharedGroup other : groups) {
            Entry first = other == group ? null : other.head();
            if (first != null) {
                elsewhere.add(first.call);
            }
        }
        RankArea.Progress progress = area(rank).progress();
        return new Answer(
                collectives,
                head,
                elsewhere,
                operation(group, group.rank),
                progress == null ? "" : progress.phase(),
                progress == null ? -1 : progress.step());
    }

    private static String operation(SharedGroup group, int other) {
        long tail = group.board.tail(other);
        long head = group.board.head(other);
        if (tail == 0) {
            return "before its first collective";
        }
        LateCalls calls = new LateCalls(group);
        return tail > head
                ? "during " + calls.call(other, head).describe()
                : "after " + calls.call(other, tail - 1).describe();
    }

    /** Says that a rank of this host failed. */
    CommunicationException rankFailed(SharedGroup group, int other, @Nullable Throwable cause) {
        RankArea.Progress progress = area(group.worldRanks[other]).progress();
        return rankFailed(
                group,
                group.worldRanks[other],
                operation(group, other),
                progress == null ? "" : progress.phase(),
                progress == null ? -1 : progress.step(),
                cause);
    }

    /** Says why a connection broke. */
    CommunicationException lost(SharedGroup group, Link.BrokenException broken) {
        Bulletin known = bulletin;
        Answer last = known == null ? null : known.left(group.id, broken.peer).orElse(null);
        return last == null
                ? decided(
                        rankFailed(
                                group,
                                broken.peer,
                                "when its connection broke (" + broken.getMessage() + ")",
                                "",
                                -1,
                                broken.silent ? RemoteCauseException.seen(silence()) : null))
                : rankFailed(
                        group,
                        broken.peer,
                        last.operation(),
                        last.phase(),
                        last.step(),
                        CommunicatorClosedException.of(group.name, broken.peer));
    }

    private String silence() {
        return "nothing has come through between rank "
                + rank
                + " and it, though both are there: look at the network between their hosts";
    }

    private CommunicationException rankFailed(
            SharedGroup group,
            int other,
            String operation,
            String phase,
            long step,
            @Nullable Throwable cause) {
        Facts who = world.facts.get(other);
        return RankFailedException.of(
                group.name,
                other,
                who.host(),
                who.pid(),
                step,
                phase.isEmpty() ? operation : "in phase '" + phase + "', " + operation,
                cause);
    }

    /** Closes a group's connections. */
    void disconnect(SharedGroup group) {
        if (links != null) {
            links.close(group.id + " ");
        }
    }

    /** Ends this rank's thread and unlinks its files; memory stays as long as anybody holds it. */
    void close() {
        driver.finish(LAST_SLICE);
        if (bulletin != null) {
            bulletin.close();
        }
        if (links != null) {
            links.close();
        }
        List<String> names = new ArrayList<>();
        for (int piece = 0; piece < area(rank).pieces(); piece++) {
            names.add(pieceName(rank, piece));
        }
        names.forEach(shared::delete);
    }
}
