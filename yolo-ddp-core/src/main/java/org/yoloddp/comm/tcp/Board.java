package org.yoloddp.comm.tcp;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Slice;

/**
 * Where the ranks of a group that share a host see each other's calls. Every rank has a ring of
 * slots, in its own order of submission: it writes a slot and moves its tail; whoever ends an
 * operation moves the heads of its ranks. The first participant's slot also counts what has been
 * claimed and finished.
 *
 * <p>One lock guards the heads and the failure, and is held for a few instructions only. As the
 * holder may be killed, it is broken after some seconds.
 */
final class Board {

    /** How many calls of a rank the others see ahead. */
    static final int RING = 16;

    /** How many slices may be under way between ordinary and shared memory. */
    static final int STAGES = 8;

    /** What ordinary memory passes through. */
    static final int STAGING_BYTES = STAGES * Slice.BYTES;

    static final int NOWHERE = 0;
    static final int SHARED = 1;
    static final int STAGED = 2;

    private static final long LOCK_LIMIT = TimeUnit.SECONDS.toNanos(5);

    private static final int LOCK = 0;
    private static final int FAILED = Words.LINE;
    private static final int RECORD_LENGTH = 2 * Words.LINE;
    private static final int TURN = 3 * Words.LINE;
    private static final int RECORD = 4 * Words.LINE;
    private static final int RANKS = 16 << 10;

    /** The most bytes of a failure. */
    static final int MOST_RECORD = RANKS - RECORD;

    private static final int TAIL = 0;
    private static final int HEAD = Words.LINE;
    private static final int ACTIVE = 2 * Words.LINE;
    private static final int LEFT = 3 * Words.LINE;
    private static final int SLOTS = 4 * Words.LINE;

    private static final int SEQUENCE = 0;
    private static final int OPERATION = 8;
    private static final int PEER = 16;
    private static final int LENGTH = 24;
    private static final int KIND = 32;
    private static final int PIECE = 40;
    private static final int OFFSET = 48;
    private static final int CLAIM = Words.LINE;
    private static final int FINISHED = 2 * Words.LINE;
    private static final int READY = 3 * Words.LINE;
    private static final int DONE = 4 * Words.LINE;
    private static final int CALL = 5 * Words.LINE;
    private static final int SLOT =
            CALL + Codec.MAX_CALL + Words.LINE - Codec.MAX_CALL % Words.LINE;
    private static final int RANK = SLOTS + RING * SLOT;

    private final Words words;
    private final int[] seats;

    /** Takes the place of each rank of the group on this board, -1 for those of other hosts. */
    Board(Words words, int[] seats) {
        this.words = words;
        this.seats = seats;
    }

    static int bytes(int ranks) {
        return RANKS + ranks * RANK;
    }

    /** Takes the lock, whose holder is a rank of this host. */
    void lock(int rank) {
        lock(LOCK, rank);
    }

    void unlock(int rank) {
        words.compareAndSet(LOCK, rank + 1L, 0);
    }

    /** Takes the right to find out why a collective is late. */
    void takeTurn(int rank) {
        lock(TURN, rank);
    }

    void endTurn(int rank) {
        words.compareAndSet(TURN, rank + 1L, 0);
    }

    private void lock(int at, int rank) {
        long start = 0;
        for (int tries = 0; !words.compareAndSet(at, 0, rank + 1L); tries++) {
            if (tries < 100) {
                Thread.onSpinWait();
            } else if (tries < 200) {
                Thread.yield();
            } else {
                long now = System.nanoTime();
                start = start == 0 ? now : start;
                if (now - start > LOCK_LIMIT) {
                    long holder = words.get(at);
                    if (holder == 0 || words.compareAndSet(at, holder, rank + 1L)) {
                        start = now;
                        if (holder != 0) {
                            return;
                        }
                    }
                }
                LockSupport.parkNanos(20_000);
            }
        }
    }

    boolean isFailed() {
        return words.getVolatile(FAILED) != 0;
    }

    /** Fails the group unless it has failed. Called with the lock held. */
    void fail(byte[] record) {
        if (!isFailed()) {
            words.put(RECORD, record);
            words.set(RECORD_LENGTH, record.length);
            words.setVolatile(FAILED, 1);
        }
    }

    byte[] record() {
        return words.bytes(RECORD, (int) words.get(RECORD_LENGTH));
    }

    private int rank(int rank) {
        return RANKS + seats[rank] * RANK;
    }

    long tail(int rank) {
        return words.get(rank(rank) + TAIL);
    }

    long head(int rank) {
        return words.get(rank(rank) + HEAD);
    }

    /** Ends a rank's first pending call. Called with the lock held. */
    void advance(int rank) {
        words.set(rank(rank) + HEAD, head(rank) + 1);
    }

    /**
     * Tells whether two ranks are still at these calls, and so neither was on its way. Asked under
     * the lock: whoever ends an operation moves one head after the other, and may be held up in
     * between.
     */
    boolean areAt(int rank, long head, int other, long otherHead) {
        lock(rank);
        try {
            return head(rank) == head && head(other) == otherHead;
        } finally {
            unlock(rank);
        }
    }

    /** Says that a rank works on operations, before it looks whether the group has failed. */
    void setActive(int rank, boolean active) {
        words.setVolatile(rank(rank) + ACTIVE, active ? 1 : 0);
    }

    boolean isActive(int rank) {
        return words.getVolatile(rank(rank) + ACTIVE) != 0;
    }

    void leave(int rank) {
        words.setVolatile(rank(rank) + LEFT, 1);
    }

    boolean hasLeft(int rank) {
        return words.getVolatile(rank(rank) + LEFT) != 0;
    }

    /** Returns where a call is. */
    int slot(int rank, long index) {
        return rank(rank) + SLOTS + (int) (index % RING) * SLOT;
    }

    /** Shows a rank's next call to the others. */
    void publish(int rank, Entry entry, int kind, Arena.@Nullable Place place) {
        int slot = slot(rank, entry.index);
        words.set(slot + SEQUENCE, entry.call.sequence());
        words.set(slot + OPERATION, entry.call.operation().ordinal());
        words.set(slot + PEER, entry.call.peer());
        words.set(slot + LENGTH, entry.bytes.length);
        words.set(slot + KIND, kind);
        words.set(slot + PIECE, place == null ? 0 : place.piece());
        words.set(slot + OFFSET, place == null ? 0 : place.offset());
        words.set(slot + CLAIM, claim(entry.index, 0));
        words.set(slot + FINISHED, 0);
        words.set(slot + READY, 0);
        for (int i = 0; i < STAGES; i++) {
            words.set(slot + DONE + i * Long.BYTES, 0);
        }
        words.put(slot + CALL, entry.bytes);
        words.setVolatile(rank(rank) + TAIL, entry.index + 1);
    }

    long sequence(int slot) {
        return words.get(slot + SEQUENCE);
    }

    Operation operation(int slot) {
        return Operation.values()[(int) words.get(slot + OPERATION)];
    }

    int peer(int slot) {
        return (int) words.get(slot + PEER);
    }

    byte[] call(int slot) {
        long length = Math.max(0, Math.min(words.get(slot + LENGTH), Codec.MAX_CALL));
        return words.bytes(slot + CALL, (int) length);
    }

    boolean isCall(int slot, byte[] call) {
        return words.get(slot + LENGTH) == call.length && words.isEqual(slot + CALL, call);
    }

    int kind(int slot) {
        return (int) words.get(slot + KIND);
    }

    Arena.Place place(int slot) {
        return new Arena.Place((int) words.get(slot + PIECE), (int) words.get(slot + OFFSET));
    }

    private static long claim(long index, int slice) {
        return index << 32 | slice;
    }

    /** Returns the next slice to claim, or so many if there is none or the operation is over. */
    int next(int slot, long index, int slices) {
        long claim = words.get(slot + CLAIM);
        return claim >>> 32 == (index & 0xffffffffL) ? (int) Math.min((int) claim, slices) : slices;
    }

    boolean claim(int slot, long index, int slice) {
        return words.compareAndSet(slot + CLAIM, claim(index, slice), claim(index, slice + 1));
    }

    /** Counts a finished slice, or a rank that has seen what it had to. */
    long finish(int slot) {
        return words.add(slot + FINISHED, 1);
    }

    /** Says how many slices of a rank's own are in place, with room for their results. */
    void setReady(int slot, int slices) {
        words.set(slot + READY, slices);
    }

    int ready(int slot) {
        return (int) words.get(slot + READY);
    }

    void setDone(int slot, int slice) {
        words.set(slot + DONE + slice % STAGES * Long.BYTES, slice + 1L);
    }

    boolean isDone(int slot, int slice) {
        return words.get(slot + DONE + slice % STAGES * Long.BYTES) == slice + 1L;
    }
}
