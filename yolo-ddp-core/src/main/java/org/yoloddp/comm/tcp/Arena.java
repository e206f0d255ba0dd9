package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.HostBuffer;

/**
 * A rank's memory that the other ranks of its host see: pieces, each a file of its own below 2 GiB,
 * of which parts are given out and taken back. Pieces stay mapped until nobody holds them.
 */
final class Arena {

    private static final int SMALLEST = 1 << 20;
    private static final int USUAL = 16 << 20;
    private static final int LARGEST = Integer.MAX_VALUE - (1 << 20);
    private static final int ALIGNMENT = 64;

    /** Where a part is. */
    record Place(int piece, int offset) {}

    /** A part that was given out; the memory starts as zeros. */
    record Part(Place place, ByteBuffer memory) {}

    /** Makes the next piece. */
    interface Source {
        ByteBuffer create(int piece, int bytes) throws IOException;
    }

    private static final class Piece {

        final ByteBuffer memory;
        final long address;
        final TreeMap<Integer, Integer> free = new TreeMap<>();
        boolean used;

        Piece(ByteBuffer memory) {
            this.memory = memory;
            this.address = HostBuffer.address(memory);
            free.put(0, memory.capacity());
        }
    }

    private final Source source;
    private final List<Piece> pieces = new ArrayList<>();
    private long total;

    Arena(Source source) {
        this.source = source;
    }

    /** Gives out a part; throws if there is no room for it. */
    synchronized Part allocate(long bytes) throws IOException {
        if (bytes > LARGEST) {
            throw new IOException("a piece of shared memory has at most 2 GiB");
        }
        int size = Math.toIntExact((Math.max(bytes, 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        for (int i = 0; i < pieces.size(); i++) {
            for (Map.Entry<Integer, Integer> gap : pieces.get(i).free.entrySet()) {
                if (gap.getValue() >= size) {
                    return take(i, gap.getKey(), gap.getValue(), size);
                }
            }
        }
        int length = (int) Math.max(size, Math.min(USUAL, Math.max(SMALLEST, total)));
        pieces.add(new Piece(source.create(pieces.size(), length)));
        total += length;
        return take(pieces.size() - 1, 0, length, size);
    }

    /** Gives out parts of memory too that was made elsewhere. */
    synchronized void adopt(ByteBuffer memory) {
        pieces.add(new Piece(memory));
        total += memory.capacity();
    }

    private Part take(int index, int offset, int gap, int size) {
        Piece piece = pieces.get(index);
        piece.free.remove(offset);
        if (gap > size) {
            piece.free.put(offset + size, gap - size);
        }
        ByteBuffer memory = piece.memory.slice(offset, size).order(ByteOrder.nativeOrder());
        if (piece.used) {
            zero(memory);
        }
        return new Part(new Place(index, offset), memory);
    }

    private static void zero(ByteBuffer memory) {
        byte[] zeros = new byte[Math.min(memory.capacity(), 1 << 16)];
        for (int at = 0; at < memory.capacity(); at += zeros.length) {
            memory.put(at, zeros, 0, Math.min(zeros.length, memory.capacity() - at));
        }
    }

    /** Takes a part back. */
    synchronized void release(Part part) {
        Piece piece = pieces.get(part.place.piece);
        piece.used = true;
        int from = part.place.offset;
        int size = part.memory.capacity();
        Map.Entry<Integer, Integer> before = piece.free.floorEntry(from);
        if (before != null && before.getKey() + before.getValue() == from) {
            from = before.getKey();
            size += before.getValue();
        }
        Integer after = piece.free.remove(part.place.offset + part.memory.capacity());
        piece.free.put(from, size + (after == null ? 0 : after));
    }

    /** Finds memory by its address; null if it is not all in one piece. */
    synchronized @Nullable Place find(long address, long bytes) {
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            if (address >= piece.address
                    && address + bytes <= piece.address + piece.memory.capacity()) {
                return new Place(i, (int) (address - piece.address));
            }
        }
        return null;
    }
}
