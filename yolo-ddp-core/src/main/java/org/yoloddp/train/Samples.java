package org.yoloddp.train;

import java.util.Arrays;

/** Durations of which the median and a percentile are wanted. */
final class Samples {

    private double[] values = new double[256];
    private int count;

    void add(double value) {
        if (count == values.length) {
            values = Arrays.copyOf(values, 2 * count);
        }
        values[count++] = value;
    }

    /** Returns the smallest value that is not below the given share of all values; 0 if none. */
    double quantile(double share) {
        if (count == 0) {
            return 0;
        }
        double[] sorted = Arrays.copyOf(values, count);
        Arrays.sort(sorted);
        return sorted[Math.min(count - 1, (int) (share * count))];
    }
}
