package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A piece of a collective on the host: some elements of every rank's buffer. Slices are disjoint,
 * so any thread may do any of them at any time, in place.
 *
 * @param owner the rank that has the elements before or after, -1 if all have
 * @param from the first element
 * @param count the number of elements
 */
public record Slice(int owner, long from, int count) {

    /** The size of a slice: worth claiming, and small enough to share out evenly. */
    public static final int BYTES = 256 << 10;

    /** Where the ranks' elements are. */
    public interface Memory {

        /**
         * Returns memory that holds a slice of a rank.
         *
         * @param rank the rank in the group
         * @return the memory
         */
        HostBuffer buffer(int rank);

        /**
         * Returns the place of an element in that memory.
         *
         * @param rank the rank in the group
         * @param element the element's number in the rank's buffer
         * @return the element's number in {@link #buffer}
         */
        default long index(int rank, long element) {
            return element;
        }
    }

    /**
     * Cuts a collective into slices.
     *
     * @param call what was asked for
     * @param participants the ranks that take part: all of the group in order, or sender and
     *     receiver
     * @return the slices, none where there is nothing to move
     */
    public static List<Slice> plan(Fingerprint call, int[] participants) {
        DType dtype = call.dtype();
        List<Slice> slices = new ArrayList<>();
        if (dtype == null || participants.length == 1 && !changesOne(call.op())) {
            return slices;
        }
        switch (call.operation()) {
            case ALL_GATHER, REDUCE_SCATTER -> {
                long from = 0;
                for (int rank = 0; rank < call.counts().size(); rank++) {
                    long count = call.counts().get(rank);
                    cut(slices, rank, from, count, dtype);
                    from += count;
                }
            }
            case BROADCAST -> cut(slices, call.peer(), 0, call.count(), dtype);
            case SEND, RECV -> cut(slices, participants[0], 0, call.count(), dtype);
            default -> cut(slices, -1, 0, call.count(), dtype);
        }
        return slices;
    }

    /** Tells whether a single contribution is not its own result. */
    private static boolean changesOne(@Nullable ReduceOp op) {
        return op != null && op.scale(1) != 1;
    }

    private static void cut(List<Slice> slices, int owner, long from, long count, DType dtype) {
        int step = BYTES / dtype.bytes();
        for (long at = 0; at < count; at += step) {
            slices.add(new Slice(owner, from + at, (int) Math.min(step, count - at)));
        }
    }

    /**
     * Tells whether a rank's elements are read.
     *
     * @param call what was asked for
     * @param rank a rank that takes part
     * @return true if the rank contributes to this slice
     */
    public boolean reads(Fingerprint call, int rank) {
        return call.op() != null || rank == owner;
    }

    /**
     * Tells whether a rank's elements are written.
     *
     * @param call what was asked for
     * @param rank a rank that takes part
     * @return true if the rank gets the result of this slice
     */
    public boolean writes(Fingerprint call, int rank) {
        return switch (call.operation()) {
            case ALL_REDUCE -> true;
            case REDUCE_SCATTER -> rank == owner;
            default -> rank != owner;
        };
    }

    /**
     * Does this piece for all ranks.
     *
     * @param call what was asked for
     * @param participants the ranks that take part, as in {@link #plan}
     * @param memory where their elements are
     */
    public void execute(Fingerprint call, int[] participants, Memory memory) {
        ReduceOp reduce = call.op();
        DType dtype = call.dtype();
        if (reduce == null || dtype == null) {
            HostBuffer source = memory.buffer(owner);
            long at = memory.index(owner, from);
            for (int rank : participants) {
                if (rank != owner) {
                    source.copyTo(memory.buffer(rank), at, memory.index(rank, from), count);
                }
            }
            return;
        }
        ByteBuffer[] in = new ByteBuffer[participants.length];
        for (int rank : participants) {
            in[rank] = memory.buffer(rank).window(memory.index(rank, from), count);
        }
        ByteBuffer[] out =
                call.operation() == Operation.REDUCE_SCATTER ? new ByteBuffer[] {in[owner]} : in;
        HostReduction.of(dtype, reduce, in.length).reduce(in, out, count);
    }
}
