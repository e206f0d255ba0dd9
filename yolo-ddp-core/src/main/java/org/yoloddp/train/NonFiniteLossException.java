package org.yoloddp.train;

import org.yoloddp.error.YoloDdpException;

/** A loss that is infinite or not a number; training on would spread it to all weights. */
public final class NonFiniteLossException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** The rank that found it. */
    private final int rank;

    /** The batch. */
    private final long step;

    /** The term of the loss. */
    private final String term;

    NonFiniteLossException(int rank, long step, String term, double value) {
        super(
                "the loss term '"
                        + term
                        + "' is "
                        + value
                        + " on rank "
                        + rank
                        + " at step "
                        + step
                        + ". The weights of the step before are unharmed. Look at the data of this"
                        + " step, or lower the learning rate or lengthen its warm-up");
        this.rank = rank;
        this.step = step;
        this.term = term;
    }

    /**
     * Returns where it happened.
     *
     * @return the rank
     */
    public int rank() {
        return rank;
    }

    /**
     * Returns when it happened.
     *
     * @return the step, from 0
     */
    public long step() {
        return step;
    }

    /**
     * Returns what isn't finite.
     *
     * @return the name of the term, {@code total} for the sum
     */
    public String term() {
        return term;
    }
}
