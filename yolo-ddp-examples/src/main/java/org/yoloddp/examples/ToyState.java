package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.yoloddp.error.YoloDdpException;

/**
 * What the toy job has come to: the steps it has taken, and a digest of all their results, so that
 * a step that was lost, taken twice or reduced wrongly is known.
 *
 * @param step how many steps have been taken
 * @param digest of their results
 */
record ToyState(long step, long digest) {

    static final ToyState START = new ToyState(0, 17);

    /**
     * What a rank contributes to an element of a step: small whole numbers, whose sums are exact.
     */
    static float value(long step, int element, int rank) {
        return (step * 31 + element * 7L) % 1009 * (rank + 1);
    }

    /** The sum of all ranks' contributions. */
    static float sum(long step, int element, int size) {
        return (step * 31 + element * 7L) % 1009 * (size * (size + 1) / 2);
    }

    /** After one more step, with some element of its result. */
    ToyState next(float result) {
        return new ToyState(step + 1, digest * 1_000_003 + (long) result);
    }

    /** What so many steps should have come to. */
    static ToyState after(long steps, int size) {
        ToyState state = START;
        while (state.step < steps) {
            state = state.next(sum(state.step, 0, size));
        }
        return state;
    }

    /** Reads what was saved last. */
    static ToyState load(Path file) throws IOException {
        if (!Files.exists(file)) {
            return START;
        }
        String[] words = Files.readString(file, StandardCharsets.UTF_8).strip().split(" ", -1);
        if (words.length != 2) {
            throw new BrokenStateException(file, String.join(" ", words));
        }
        return new ToyState(Long.parseLong(words[0]), Long.parseLong(words[1]));
    }

    /** Replaces what was saved before, all or nothing. */
    void save(Path file) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".next");
        Files.writeString(next, step + " " + digest + "\n", StandardCharsets.UTF_8);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** A state that nobody has written so. */
    static final class BrokenStateException extends YoloDdpException {

        private static final long serialVersionUID = 1;

        private BrokenStateException(Path file, String content) {
            super(file + " holds '" + content + "', which is no state of the toy job");
        }
    }
}
