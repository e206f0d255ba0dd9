package org.yoloddp.ddp;

import java.util.BitSet;

/**
 * Requests on whose step all ranks agree: they travel with the step's last bucket, and a flag that
 * any rank has raised is seen by all ranks at the end of the same step.
 *
 * @param cancel end the training and report it as cancelled
 * @param stop end the training as done
 * @param save save the state although it is not its turn
 */
public record StepFlags(boolean cancel, boolean stop, boolean save) {

    /** No request. */
    public static final StepFlags NONE = new StepFlags(false, false, false);

    /** The number of elements that the flags take in a bucket. */
    static final int COUNT = 3;

    /**
     * Returns what either asks for.
     *
     * @param other more flags
     * @return the union
     */
    public StepFlags or(StepFlags other) {
        return new StepFlags(cancel || other.cancel, stop || other.stop, save || other.save);
    }

    /**
     * Tells whether any flag is raised.
     *
     * @return true if there is a request
     */
    public boolean any() {
        return cancel || stop || save;
    }

    /** The flags as the first bits of a bucket's tail. */
    BitSet bits() {
        BitSet bits = new BitSet();
        bits.set(0, cancel);
        bits.set(1, stop);
        bits.set(2, save);
        return bits;
    }

    /** The flags that a tail holds. */
    static StepFlags of(BitSet tail) {
        return new StepFlags(tail.get(0), tail.get(1), tail.get(2));
    }
}
