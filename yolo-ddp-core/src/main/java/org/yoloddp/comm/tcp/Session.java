package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.RankFailedException;

/** One rank's place in the world: who the others are, the memory they share, the rank's groups. */
final class Session {

    private static final Logger LOG = LoggerFactory.getLogger(Session.class);
    private static final Duration LAST_SLICE = Duration.ofSeconds(10);

    final int rank;
    final Duration deadline;
    final Driver driver;

    /** Spinning helps only while every rank has a core to itself. */
    final long spinNanos;

    final long yieldNanos;

    private final List<Facts> facts;
    private final SharedMemory shared;
    private final RankArea[] areas;
    private final @Nullable ByteBuffer[][] pieces;
    private final Arena arena;
    private final SharedGroup root;
    private final List<SharedGroup> groups = new CopyOnWriteArrayList<>();

    private Session(
            int rank,
            Duration deadline,
            List<Facts> facts,
            SharedMemory shared,
            ByteBuffer control) {
        int size = facts.size();
        this.rank = rank;
        this.deadline = deadline;
        this.facts = facts;
        this.shared = shared;
        this.areas = new RankArea[size];
        this.pieces = new ByteBuffer[size][RankArea.MOST_PIECES];
        Words words = new Words(control);
        for (int i = 0; i < size; i++) {
            areas[i] = new RankArea(words.part(i * RankArea.BYTES, RankArea.BYTES));
        }
        boolean cores = size <= Runtime.getRuntime().availableProcessors();
        this.spinNanos = cores ? 50_000 : 0;
        this.yieldNanos = cores ? 150_000 : 1_000_000;
        this.arena = new Arena(this::createPiece);
        this.driver = new Driver(this, "yolo-ddp-tcp-" + rank);
        Words board = words.part(size * RankArea.BYTES, Board.bytes(size));
        int[] all = IntStream.range(0, size).toArray();
        this.root = new SharedGroup(this, "world", all, rank, new Board(board, size), null);
    }

    /** Says how much memory a world needs before anything is exchanged. */
    static int controlBytes(int size) {
        return size * RankArea.BYTES + Board.bytes(size);
    }

    static Session start(
            int rank,
            Duration deadline,
            List<Facts> facts,
            SharedMemory shared,
            ByteBuffer control) {
        Session session = new Session(rank, deadline, facts, shared, control);
        session.driver.start();
        return session;
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

    int size() {
        return facts.size();
    }

    void progress(String phase, long step) {
        areas[rank].progress(phase, step);
    }

    Arena.@Nullable Place find(HostBuffer buffer) {
        return arena.find(buffer.address(), buffer.count() * buffer.dtype().bytes());
    }

    private String pieceName(int owner, int piece) {
        return facts.get(owner).files(owner) + "-" + piece;
    }

    private ByteBuffer createPiece(int piece, int bytes) throws IOException {
        if (piece >= RankArea.MOST_PIECES) {
            throw new IOException("a rank shares at most " + RankArea.MOST_PIECES + " pieces");
        }
        ByteBuffer memory = shared.create(pieceName(rank, piece), bytes);
        pieces[rank][piece] = memory;
        areas[rank].addPiece(piece, bytes);
        return memory;
    }

    /** Returns a rank's piece, which is mapped the first time; the last to map it unlinks it. */
    synchronized ByteBuffer piece(int owner, int piece) {
        ByteBuffer memory = pieces[owner][piece];
        if (memory == null) {
            String name = pieceName(owner, piece);
            try {
                memory = shared.open(name, areas[owner].bytes(piece));
            } catch (IOException e) {
                throw SharedMemoryException.notMapped(shared.path(name).toString(), owner, e);
            }
            pieces[owner][piece] = memory;
            if (areas[owner].mapped(piece) == size() - 1) {
                shared.delete(name);
            }
        }
        return memory;
    }

    /** Maps what peers have allocated, so that no file is left of it, and sees who has died. */
    void lookAfterPeers() {
        for (int other = 0; other < size(); other++) {
            if (other == rank || root.board.hasLeft(other)) {
                continue;
            }
            try {
                for (int piece = 0; piece < areas[other].pieces(); piece++) {
                    piece(other, piece);
                }
            } catch (SharedMemoryException e) {
                LOG.debug("to be tried again when it is needed", e);
            }
            if (!isAlive(other) && !root.board.hasLeft(other) && !root.checkFailed()) {
                root.fail(rankFailed(root, other, null));
            }
        }
        groups.forEach(SharedGroup::checkFailed);
    }

    /** Tells whether a rank's process is there, as far as it can be known. */
    boolean isAlive(int other) {
        Facts mine = facts.get(rank);
        Facts theirs = facts.get(other);
        return theirs.pid() == mine.pid()
                || !theirs.namespace().equals(mine.namespace())
                || OsProcess.start(theirs.pid()).equals(theirs.start());
    }

    CommunicationException rankFailed(SharedGroup group, int other, @Nullable Throwable cause) {
        Facts who = facts.get(group.worldRanks[other]);
        RankArea.Progress progress = areas[group.worldRanks[other]].progress();
        long tail = group.board.tail(other);
        long head = group.board.head(other);
        String operation = "before its first collective";
        if (tail > 0) {
            LateCalls calls = new LateCalls(group);
            operation =
                    tail > head
                            ? "during " + calls.call(other, head).describe()
                            : "after " + calls.call(other, tail - 1).describe();
        }
        if (progress != null) {
            operation = "in phase '" + progress.phase() + "', " + operation;
        }
        return RankFailedException.of(
                group.name,
                group.worldRanks[other],
                who.host(),
                who.pid(),
                progress == null ? -1 : progress.step(),
                operation,
                cause);
    }

    /** Ends this rank's thread and unlinks its files; memory stays as long as anybody holds it. */
    void close() {
        driver.finish(LAST_SLICE);
        List<String> names = new ArrayList<>();
        for (int piece = 0; piece < areas[rank].pieces(); piece++) {
            names.add(pieceName(rank, piece));
        }
        names.forEach(shared::delete);
    }
}
