package org.yoloddp.train;

import java.util.Arrays;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;

/** Collects numbers of all ranks on all ranks. */
public final class Gather {

    private Gather() {}

    /**
     * Collects one number of each rank.
     *
     * @param all the ranks
     * @param value this rank's number
     * @param tag names the exchange
     * @return the numbers by rank
     */
    public static long[] longs(Communicator all, long value, String tag) {
        long[] counts = new long[all.size()];
        Arrays.fill(counts, 1);
        try (CommBuffer buffer = all.allocate(DType.I64, all.size())) {
            var numbers = buffer.bytes().asLongBuffer();
            numbers.put(all.rank(), value);
            all.allGather(buffer, counts, ComputeStream.HOST, tag).await(all.deadline());
            long[] gathered = new long[all.size()];
            numbers.get(0, gathered);
            return gathered;
        }
    }

    /**
     * Collects any count of numbers of each rank.
     *
     * @param all the ranks
     * @param values this rank's numbers, maybe none
     * @param tag names the exchange
     * @return the numbers by rank
     */
    public static double[][] doubles(Communicator all, double[] values, String tag) {
        long[] counts = longs(all, values.length, tag + " (lengths)");
        double[][] gathered = new double[all.size()][];
        try (CommBuffer buffer = all.allocate(DType.F64, Arrays.stream(counts).sum())) {
            var numbers = buffer.bytes().asDoubleBuffer();
            int mine = 0;
            for (int r = 0; r < all.rank(); r++) {
                mine += (int) counts[r];
            }
            numbers.put(mine, values);
            all.allGather(buffer, counts, ComputeStream.HOST, tag).await(all.deadline());
            int from = 0;
            for (int r = 0; r < gathered.length; r++) {
                gathered[r] = new double[(int) counts[r]];
                numbers.get(from, gathered[r]);
                from += gathered[r].length;
            }
        }
        return gathered;
    }
}
