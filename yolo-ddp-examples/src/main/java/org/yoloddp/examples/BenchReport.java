package org.yoloddp.examples;

import com.google.gson.GsonBuilder;
import com.google.gson.annotations.SerializedName;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a benchmark found.
 *
 * @param bench the name of the benchmark
 * @param versions of everything that was measured
 * @param rows one for each comparison
 */
record BenchReport(String bench, Map<String, String> versions, List<Row> rows) {

    /**
     * Medians of runs that took turns.
     *
     * @param name what was measured
     * @param oursMillis ours
     * @param rival whom it was compared with; null for nobody
     * @param rivalMillis theirs
     * @param ratio theirs divided by ours: above 1, ours is faster
     */
    record Row(
            @SerializedName("case") String name,
            @SerializedName("ours_ms") double oursMillis,
            @Nullable String rival,
            @SerializedName("rival_ms") @Nullable Double rivalMillis,
            @Nullable Double ratio) {

        static Row alone(String name, double ours) {
            return new Row(name, round(ours), null, null, null);
        }

        static Row against(String name, double ours, String rival, double theirs) {
            return new Row(name, round(ours), rival, round(theirs), round(theirs / ours));
        }

        private static double round(double value) {
            return Math.round(value * 1000) / 1000.0;
        }
    }

    String json() {
        return new GsonBuilder().serializeNulls().disableHtmlEscaping().create().toJson(this);
    }

    List<String> lines() {
        List<String> lines = new ArrayList<>();
        for (Row row : rows) {
            lines.add(
                    row.rival() == null
                            ? String.format(
                                    Locale.ROOT, "%s: %.1f ms", row.name(), row.oursMillis())
                            : String.format(
                                    Locale.ROOT,
                                    "%s: %.1f ms, %s %.1f ms, ratio %.2f (above 1: ours is faster)",
                                    row.name(),
                                    row.oursMillis(),
                                    row.rival(),
                                    row.rivalMillis(),
                                    row.ratio()));
        }
        return lines;
    }

    static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
