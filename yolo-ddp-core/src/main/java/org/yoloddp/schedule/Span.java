package org.yoloddp.schedule;

import java.util.Locale;

/**
 * A length of training, in epochs or in steps; it becomes steps when the plan is known. Immutable.
 */
public final class Span {

    private final double length;
    private final boolean inEpochs;

    private Span(double length, boolean inEpochs) {
        this.length = length;
        this.inEpochs = inEpochs;
    }

    /**
     * A length in epochs.
     *
     * @param epochs how many, possibly a fraction; rounded to whole steps when bound
     * @return the length
     * @throws org.yoloddp.error.ConfigurationException if it is negative or not finite
     */
    public static Span epochs(double epochs) {
        Checks.atLeast("epochs of a span", epochs, 0);
        return new Span(epochs, true);
    }

    /**
     * A length in steps; a step is one batch per rank.
     *
     * @param steps how many
     * @return the length
     * @throws org.yoloddp.error.ConfigurationException if it is negative
     */
    public static Span steps(long steps) {
        Checks.atLeast("steps of a span", steps, 0);
        return new Span(steps, false);
    }

    /**
     * The length in whole steps.
     *
     * @param plan says how many steps make an epoch
     * @return the steps
     */
    public long in(SchedulePlan plan) {
        return inEpochs ? Math.round(length * plan.batchesPerEpoch()) : (long) length;
    }

    /** The length in steps, refused where a schedule would divide by zero. */
    long positive(SchedulePlan plan, String what) {
        long steps = in(plan);
        if (steps < 1) {
            throw Checks.emptySpan(what, this, plan);
        }
        return steps;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Span span && span.length == length && span.inEpochs == inEpochs;
    }

    @Override
    public int hashCode() {
        return Double.hashCode(length) * 31 + Boolean.hashCode(inEpochs);
    }

    @Override
    public String toString() {
        return inEpochs
                ? String.format(Locale.ROOT, "epochs(%s)", Double.toString(length))
                : String.format(Locale.ROOT, "steps(%d)", (long) length);
    }
}
