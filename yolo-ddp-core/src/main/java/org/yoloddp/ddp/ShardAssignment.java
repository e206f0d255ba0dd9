package org.yoloddp.ddp;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which rank owns which parameter: pure arithmetic, the same on every rank.
 *
 * <p>Whole parameters go, the largest first, to the rank that has the fewest elements so far; among
 * equals the parameter that comes first in the model and the lowest rank. So no rank has more than
 * its share and one parameter (the greedy rule of ZeRO-1 in PyTorch's {@code
 * ZeroRedundancyOptimizer}).
 */
final class ShardAssignment {

    private ShardAssignment() {}

    /**
     * Assigns owners.
     *
     * @param counts the number of elements of each parameter, in model order
     * @return the owner of each parameter
     */
    static int[] owners(List<Long> counts, int ranks) {
        List<Integer> largestFirst =
                new ArrayList<>(IntStream.range(0, counts.size()).boxed().toList());
        // The sort is stable: equals stay in model order.
        largestFirst.sort(Comparator.comparing(counts::get, Comparator.reverseOrder()));
        int[] owners = new int[counts.size()];
        long[] loads = new long[ranks];
        for (int parameter : largestFirst) {
            int least = 0;
            for (int rank = 1; rank < ranks; rank++) {
                if (loads[rank] < loads[least]) {
                    least = rank;
                }
            }
            owners[parameter] = least;
            loads[least] += counts.get(parameter);
        }
        return owners;
    }
}
