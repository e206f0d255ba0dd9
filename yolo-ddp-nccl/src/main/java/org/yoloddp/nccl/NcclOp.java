package org.yoloddp.nccl;

/**
 * How NCCL combines: one of its own ways, or one made by {@link Nccl#redOpCreatePreMulSum} for a
 * communicator.
 *
 * @param code NCCL's number for it
 */
record NcclOp(int code) {

    static final NcclOp SUM = new NcclOp(0);
    static final NcclOp PROD = new NcclOp(1);
    static final NcclOp MAX = new NcclOp(2);
    static final NcclOp MIN = new NcclOp(3);

    /** Multiplies each contribution by 1/n, then sums; integers are summed, then divided. */
    static final NcclOp AVG = new NcclOp(4);
}
