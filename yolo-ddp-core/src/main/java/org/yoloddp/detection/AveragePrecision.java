package org.yoloddp.detection;

/** Curves of precision and recall, as YOLOv5 computes them. */
final class AveragePrecision {

    private static final int RECALL_POINTS = 101;

    private AveragePrecision() {}

    /**
     * The area under the envelope of precision over recall, by trapezoids between 101 recalls.
     *
     * @param recall recall by falling confidence
     * @param precision precision by falling confidence
     */
    static double area(double[] recall, double[] precision) {
        int n = recall.length;
        double[] r = new double[n + 2];
        double[] p = new double[n + 2];
        System.arraycopy(recall, 0, r, 1, n);
        System.arraycopy(precision, 0, p, 1, n);
        r[n + 1] = 1;
        p[0] = 1;
        for (int i = n; i >= 0; i--) {
            p[i] = Math.max(p[i], p[i + 1]);
        }
        double area = 0;
        double previous = interpolate(0, r, p, p[0]);
        for (int i = 1; i < RECALL_POINTS; i++) {
            double x = gridPoint(i, RECALL_POINTS);
            double y = interpolate(x, r, p, p[0]);
            area += (x - gridPoint(i - 1, RECALL_POINTS)) * (y + previous) / 2;
            previous = y;
        }
        return area;
    }

    /** Point i of n that divide [0, 1]. */
    static double gridPoint(int i, int n) {
        return i == n - 1 ? 1 : i * (1.0 / (n - 1));
    }

    /**
     * Linear interpolation in an ascending table; below it {@code left}, above it the last value.
     * At repeated abscissas the last of them counts.
     */
    static double interpolate(double x, double[] xs, double[] ys, double left) {
        int last = xs.length - 1;
        if (x < xs[0]) {
            return left;
        }
        if (x >= xs[last]) {
            return ys[last];
        }
        int low = 0;
        int high = last;
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (xs[middle] <= x) {
                low = middle;
            } else {
                high = middle;
            }
        }
        if (xs[low] == x) {
            return ys[low];
        }
        double slope = (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low]);
        return slope * (x - xs[low]) + ys[low];
    }

    /** A moving mean over a fraction of the values, the ends being continued. */
    static double[] smooth(double[] values, double fraction) {
        int taps = (int) Math.rint(values.length * fraction * 2) / 2 + 1;
        int pad = taps / 2;
        double[] padded = new double[values.length + 2 * pad];
        for (int i = 0; i < padded.length; i++) {
            padded[i] = values[Math.min(Math.max(i - pad, 0), values.length - 1)];
        }
        double weight = 1.0 / taps;
        double[] result = new double[padded.length - taps + 1];
        for (int i = 0; i < result.length; i++) {
            double sum = 0;
            for (int k = 0; k < taps; k++) {
                sum += padded[i + k] * weight;
            }
            result[i] = sum;
        }
        return result;
    }
}
