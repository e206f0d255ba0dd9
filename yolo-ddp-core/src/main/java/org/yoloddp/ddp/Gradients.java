package org.yoloddp.ddp;

import java.util.Set;

/**
 * The gradients of a rank, from one step to the next. {@link Replica} tells what each call does.
 */
interface Gradients extends AutoCloseable {

    /** Forgets what the gradients hold. */
    void zero();

    /** Says that the next backward is the last one of the step. */
    void arm();

    /**
     * Averages over all ranks.
     *
     * @param local what this rank asks for
     * @return what any rank asks for
     */
    StepFlags reduce(StepFlags local);

    /** Returns which parameters no rank has used in the last step, as far as that is known. */
    Set<String> unused();

    /** Tells by what the loss is multiplied. */
    void lossScale(double scale);

    /** Says which step follows. */
    void atStep(long step);

    /** Says whether a gradient of this rank that is not finite is a failure. */
    void requireFinite(boolean on);

    /** Takes back what the last reduction did to a hook's state. */
    void stepSkipped();

    /** Returns how long the rank has waited since the last call. */
    long takeExposedNanos();

    /** Tells whether a thread was in the middle of a step when this was closed. */
    boolean inUse();

    /** Takes the gradients off the parameters. */
    @Override
    void close();
}
