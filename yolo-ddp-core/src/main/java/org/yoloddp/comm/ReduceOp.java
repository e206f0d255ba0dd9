package org.yoloddp.comm;

/**
 * How the contributions of the ranks are combined.
 *
 * <p>There is one definition for all communicators that keep an order: contributions are combined
 * in the order of ranks, element by element. F16 and BF16 accumulate in F32 and round once.
 */
public enum ReduceOp {
    /** The sum; integers wrap around. */
    SUM,
    /** Each contribution times 1/size in the element type, then summed; refused for integers. */
    AVG,
    /** The smallest contribution; NaN is passed on. */
    MIN,
    /** The largest contribution; NaN is passed on. */
    MAX,
    /** The product; integers wrap around. */
    PRODUCT
}
