package org.yoloddp.comm;

import java.util.Objects;

/**
 * How the contributions of the ranks are combined. Immutable; two that combine alike are equal.
 *
 * <p>There is one definition for all communicators that keep an order: contributions are combined
 * in the order of ranks, element by element. F16 and BF16 accumulate in F32 and round once.
 */
public final class ReduceOp {

    /** What is done with the elements. */
    public enum Kind {
        /** They are added. */
        SUM,
        /** They are multiplied by 1/size, then added. */
        AVG,
        /** The smallest stays. */
        MIN,
        /** The largest stays. */
        MAX,
        /** They are multiplied. */
        PRODUCT,
        /** They are multiplied by a factor, then added. */
        PREMULTIPLIED_SUM
    }

    /** The sum; integers wrap around. */
    public static final ReduceOp SUM = new ReduceOp(Kind.SUM, 1);

    /** Each contribution times 1/size in the element type, then summed; refused for integers. */
    public static final ReduceOp AVG = new ReduceOp(Kind.AVG, 1);

    /** The smallest contribution; NaN is passed on. */
    public static final ReduceOp MIN = new ReduceOp(Kind.MIN, 1);

    /** The largest contribution; NaN is passed on. */
    public static final ReduceOp MAX = new ReduceOp(Kind.MAX, 1);

    /** The product; integers wrap around. */
    public static final ReduceOp PRODUCT = new ReduceOp(Kind.PRODUCT, 1);

    private final Kind kind;
    private final double factor;

    private ReduceOp(Kind kind, double factor) {
        this.kind = kind;
        this.factor = factor;
    }

    /**
     * Each contribution times a factor in the element type (F16 and BF16: in F32), then summed;
     * refused for integers. So {@link #AVG} has the factor 1/size; another one averages over fewer
     * ranks, or undoes a scale, without a pass over the memory of its own. NCCL rounds the factor
     * to the element type, which makes a difference for F16 and BF16.
     *
     * @param factor the factor, the same on all ranks
     * @return the way to combine
     */
    public static ReduceOp premultipliedSum(double factor) {
        return new ReduceOp(Kind.PREMULTIPLIED_SUM, factor);
    }

    /**
     * Returns the way to combine of a kind, for communicators that tell each other.
     *
     * @param kind what is done with the elements
     * @param factor the factor of a premultiplied sum; of no account otherwise
     * @return the way to combine
     */
    public static ReduceOp of(Kind kind, double factor) {
        return switch (kind) {
            case SUM -> SUM;
            case AVG -> AVG;
            case MIN -> MIN;
            case MAX -> MAX;
            case PRODUCT -> PRODUCT;
            case PREMULTIPLIED_SUM -> premultipliedSum(factor);
        };
    }

    /**
     * Lists the ways to combine that have no factor.
     *
     * @return a new array of them
     */
    public static ReduceOp[] values() {
        return new ReduceOp[] {SUM, AVG, MIN, MAX, PRODUCT};
    }

    /**
     * Returns what is done with the elements.
     *
     * @return the kind
     */
    public Kind kind() {
        return kind;
    }

    /**
     * Tells whether contributions are multiplied before they are added, which integers are not.
     *
     * @return true for the average and the premultiplied sum
     */
    public boolean isScaled() {
        return kind == Kind.AVG || kind == Kind.PREMULTIPLIED_SUM;
    }

    /**
     * Returns what each contribution is multiplied by.
     *
     * @param ranks the number of contributions
     * @return the factor; 1 where there is none
     */
    public double scale(int ranks) {
        return kind == Kind.AVG ? 1.0 / ranks : factor;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ReduceOp op
                && kind == op.kind
                && Double.compare(factor, op.factor) == 0;
    }

    @Override
    public int hashCode() {
        return Objects.hash(kind, factor);
    }

    /** Names it as messages do: {@code AVG}, {@code 0.25 x SUM}. */
    @Override
    public String toString() {
        return kind == Kind.PREMULTIPLIED_SUM ? factor + " x SUM" : kind.name();
    }
}
