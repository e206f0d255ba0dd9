package org.yoloddp.comm;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The one definition of a reduction on the host: contributions are combined in the order of ranks,
 * element by element, so the bits depend neither on how the elements are cut into pieces nor on who
 * works on them. AVG and the premultiplied sum multiply each contribution by 1/size or the factor
 * in the element type first. F16 and BF16 do all that in F32 and round once, to nearest even. MIN
 * and MAX pass NaN on and take -0 for smaller than +0; U8 is unsigned. Which of its many bit
 * patterns a NaN has is not defined.
 *
 * <p>Elements pass through arrays of 512, small enough for the first-level cache: the JIT of Java
 * 17 vectorises loops over arrays but not over direct buffers, and the bulk copies run at the speed
 * of memcpy. One instance serves one thread.
 */
public abstract class HostReduction {

    static final int CHUNK = 512;

    HostReduction() {}

    /**
     * Makes a reduction.
     *
     * @param dtype the element type
     * @param op how to combine
     * @param ranks the number of contributions, of which AVG takes the share
     * @return the reduction
     * @throws IllegalArgumentException if the type has no such reduction, see {@link #supports}
     */
    public static HostReduction of(DType dtype, ReduceOp op, int ranks) {
        if (!supports(dtype, op)) {
            throw new IllegalArgumentException(op + " of " + dtype + " is not defined");
        }
        return switch (dtype) {
            case F32 -> new FloatReduction(op, ranks);
            case F64 -> new DoubleReduction(op, ranks);
            case F16 -> new HalfReduction(op, ranks);
            case BF16 -> new BrainReduction(op, ranks);
            case I32 -> new IntReduction(op);
            case I64 -> new LongReduction(op);
            case U8 -> new ByteReduction(op);
        };
    }

    /**
     * Tells whether a type has a reduction.
     *
     * @param dtype the element type
     * @param op how to combine
     * @return false for the average and the premultiplied sum of integers
     */
    public static boolean supports(DType dtype, ReduceOp op) {
        return !op.isScaled() || dtype.isFloating();
    }

    /**
     * Combines contributions.
     *
     * @param in the contributions in the order of ranks, in native byte order, from index 0
     * @param out where to put the result; may be the same memory as contributions
     * @param count the number of elements
     */
    public final void reduce(ByteBuffer[] in, ByteBuffer[] out, int count) {
        reduce(null, in, null, out, count);
    }

    /**
     * Returns the size of an element of a partial result, which is kept in the type that
     * contributions are combined in: F32 for F16 and BF16.
     *
     * @param dtype the element type
     * @return the size in bytes
     */
    public static int partialBytes(DType dtype) {
        return dtype == DType.F16 || dtype == DType.BF16 ? Float.BYTES : dtype.bytes();
    }

    /**
     * Combines the contributions of some ranks with the partial result of all ranks before them.
     * Partial results of the same elements are to be handed on whole: their order is this class's
     * own.
     *
     * @param before the partial result so far; null if the first contribution is rank 0's
     * @param in the contributions of the next ranks in their order, at least one if there is no
     *     partial result before them
     * @param partial where to put the new partial result; null if these were the last ranks
     * @param out where to put the result if these were the last ranks, otherwise empty
     * @param count the number of elements
     */
    public final void reduce(
            @Nullable ByteBuffer before,
            ByteBuffer[] in,
            @Nullable ByteBuffer partial,
            ByteBuffer[] out,
            int count) {
        open(in, out);
        for (int at = 0; at < count; at += CHUNK) {
            int n = Math.min(CHUNK, count - at);
            if (before == null) {
                first(at, n);
            } else {
                load(before, at, n);
            }
            for (int rank = before == null ? 1 : 0; rank < in.length; rank++) {
                next(rank, at, n);
            }
            if (partial == null) {
                result(at, n);
            } else {
                store(partial, at, n);
            }
        }
    }

    /** Reads the accumulator from a partial result. */
    abstract void load(ByteBuffer partial, int at, int n);

    /** Writes the accumulator to a partial result. */
    abstract void store(ByteBuffer partial, int at, int n);

    /** Views the memory in the element type. */
    abstract void open(ByteBuffer[] in, ByteBuffer[] out);

    /** Starts the accumulator with rank 0's contribution. */
    abstract void first(int at, int n);

    /** Combines the accumulator with another contribution. */
    abstract void next(int rank, int at, int n);

    /** Writes the accumulator to every output. */
    abstract void result(int at, int n);
}
