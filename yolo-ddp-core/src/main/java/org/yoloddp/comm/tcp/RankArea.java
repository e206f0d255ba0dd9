package org.yoloddp.comm.tcp;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** What a rank shows to the others of its host: that it is there, where it is, what it shares. */
final class RankArea {

    static final int BYTES = 4096;

    /** The most pieces of shared memory. */
    static final int MOST_PIECES = 200;

    private static final int NONCE = 0;
    private static final int VERSION = 64;
    private static final int STEP = 72;
    private static final int PHASE_LENGTH = 80;
    private static final int PHASE = 88;
    private static final int MOST_PHASE = 100;
    private static final int COUNT = 256;
    private static final int PIECES = 320;

    /** Where a rank is. */
    record Progress(String phase, long step) {}

    private final Words words;

    RankArea(Words words) {
        this.words = words;
    }

    void setNonce(long nonce) {
        words.setVolatile(NONCE, nonce);
    }

    long nonce() {
        return words.getVolatile(NONCE);
    }

    /** Written by one thread at a time; an odd version means that it is being written. */
    synchronized void progress(String phase, long step) {
        byte[] text = phase.getBytes(StandardCharsets.UTF_8);
        byte[] shown = text.length > MOST_PHASE ? Arrays.copyOf(text, MOST_PHASE) : text;
        long version = words.get(VERSION);
        words.setVolatile(VERSION, version + 1);
        words.set(STEP, step);
        words.set(PHASE_LENGTH, shown.length);
        words.put(PHASE, shown);
        words.setVolatile(VERSION, version + 2);
    }

    /** Reads where the rank is; null if it never said so. */
    @Nullable Progress progress() {
        Progress read = null;
        for (int tries = 0; tries < 1000; tries++) {
            long version = words.getVolatile(VERSION);
            if (version == 0) {
                return null;
            }
            int length = (int) Math.max(0, Math.min(words.get(PHASE_LENGTH), MOST_PHASE));
            String phase = new String(words.bytes(PHASE, length), StandardCharsets.UTF_8);
            read = new Progress(phase, words.get(STEP));
            if (version % 2 == 0 && words.getVolatile(VERSION) == version) {
                break;
            }
        }
        return read;
    }

    int pieces() {
        return (int) words.getVolatile(COUNT);
    }

    void addPiece(int piece, int bytes) {
        words.set(PIECES + piece * 16, bytes);
        words.setVolatile(COUNT, piece + 1L);
    }

    int bytes(int piece) {
        return (int) words.get(PIECES + piece * 16);
    }

    /** Counts one more rank that has mapped a piece, and returns how many have. */
    long mapped(int piece) {
        return words.add(PIECES + piece * 16 + 8, 1);
    }
}
