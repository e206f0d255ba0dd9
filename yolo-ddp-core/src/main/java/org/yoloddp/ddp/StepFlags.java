package org.yoloddp.ddp;

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

    /** The flag at a place in the bucket. */
    boolean get(int index) {
        return switch (index) {
            case 0 -> cancel;
            case 1 -> stop;
            case 2 -> save;
            default -> throw new IndexOutOfBoundsException(index);
        };
    }
}
