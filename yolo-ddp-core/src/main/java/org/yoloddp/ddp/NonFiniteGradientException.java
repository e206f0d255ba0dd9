package org.yoloddp.ddp;

import org.yoloddp.error.YoloDdpException;

/**
 * A rank's own gradient is infinite or not a number: its average with the others' would be so on
 * all ranks, and after the next step all weights.
 */
public final class NonFiniteGradientException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** The rank whose gradient it is. */
    private final int rank;

    /** The step. */
    private final long step;

    /** Whose gradient it is. */
    private final String parameter;

    private NonFiniteGradientException(String message, int rank, long step, String parameter) {
        super(message);
        this.rank = rank;
        this.step = step;
        this.parameter = parameter;
    }

    static NonFiniteGradientException of(int rank, long step, String parameter, double value) {
        return new NonFiniteGradientException(
                "the gradient of '"
                        + parameter
                        + "' has an element that is "
                        + value
                        + " on rank "
                        + rank
                        + " at step "
                        + step
                        + ". It was not averaged, so the weights of the step before are unharmed."
                        + " Look at the data of this step on this rank, and at roots, divisions"
                        + " and logarithms in the loss, whose gradients are infinite at 0",
                rank,
                step,
                parameter);
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
     * Returns whose gradient it is; others may be affected too.
     *
     * @return the name of the parameter
     */
    public String parameter() {
        return parameter;
    }
}
