package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Slice;

/**
 * What waits to be written to a connection, in order. Each direction lends memory of its own, so
 * that one which cannot go on never holds up the other.
 */
final class Outgoing {

    /** A partial result of 16-bit elements is twice as large as they are. */
    private static final int LARGEST = 2 * Slice.BYTES;

    private static final int AHEAD = 4;

    private record Piece(ByteBuffer bytes, @Nullable ByteBuffer lent) {}

    private final ArrayDeque<Piece> pieces = new ArrayDeque<>();
    private final ArrayDeque<ByteBuffer> free = new ArrayDeque<>();
    private int made;

    static ByteBuffer memory() {
        return ByteBuffer.allocateDirect(LARGEST).order(ByteOrder.nativeOrder());
    }

    /** Tells whether there is memory to lend. */
    boolean hasRoom() {
        return made < AHEAD || !free.isEmpty();
    }

    /** Lends memory for one slice; empty if too many are on their way. */
    Optional<ByteBuffer> take() {
        if (free.isEmpty() && made < AHEAD) {
            made++;
            return Optional.of(memory());
        }
        return Optional.ofNullable(free.poll()).map(ByteBuffer::clear);
    }

    /** Adds memory that stays as it is. */
    void add(ByteBuffer bytes) {
        pieces.add(new Piece(bytes, null));
    }

    /** Adds memory of {@link #take}, for which there is room again when it is written. */
    void addLent(ByteBuffer bytes) {
        pieces.add(new Piece(bytes, bytes));
    }

    boolean isEmpty() {
        return pieces.isEmpty();
    }

    /** Writes what there is room for; tells whether that was something. */
    boolean write(Link link) {
        boolean helped = false;
        while (!pieces.isEmpty()) {
            Piece piece = pieces.peek();
            helped |= link.write(piece.bytes);
            if (piece.bytes.hasRemaining()) {
                return helped;
            }
            pieces.poll();
            if (piece.lent != null) {
                free.add(piece.lent);
            }
            helped = true;
        }
        return helped;
    }
}
