package org.yoloddp.examples;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.annotations.SerializedName;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.NativeReport;
import org.yoloddp.natives.Natives;

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
     * @param oursMegabytes memory by name, where it was asked for
     * @param rivalMegabytes theirs
     * @param oursGigabytesPerSecond bandwidth by name, where it was asked for
     * @param rivalGigabytesPerSecond theirs
     */
    record Row(
            @SerializedName("case") String name,
            @SerializedName("ours_ms") double oursMillis,
            @Nullable String rival,
            @SerializedName("rival_ms") @Nullable Double rivalMillis,
            @Nullable Double ratio,
            @SerializedName("ours_mb") @Nullable Map<String, Double> oursMegabytes,
            @SerializedName("rival_mb") @Nullable Map<String, Double> rivalMegabytes,
            @SerializedName("ours_gb_s") @Nullable Map<String, Double> oursGigabytesPerSecond,
            @SerializedName("rival_gb_s") @Nullable Map<String, Double> rivalGigabytesPerSecond) {

        static Row alone(String name, double ours) {
            return new Row(name, round(ours), null, null, null, null, null, null, null);
        }

        static Row against(String name, double ours, String rival, double theirs) {
            return paired(name, ours, rival, theirs, theirs / ours);
        }

        /** With the median of the ratios of blocks, each of which holds a turn of both. */
        static Row paired(String name, double ours, String rival, double theirs, double ratio) {
            return new Row(
                    name, round(ours), rival, round(theirs), round(ratio), null, null, null, null);
        }

        Row withMemory(Map<String, Double> mine, @Nullable Map<String, Double> theirs) {
            return new Row(
                    name,
                    oursMillis,
                    rival,
                    rivalMillis,
                    ratio,
                    rounded(mine),
                    rounded(theirs),
                    oursGigabytesPerSecond,
                    rivalGigabytesPerSecond);
        }

        Row withBandwidth(Map<String, Double> mine, @Nullable Map<String, Double> theirs) {
            return new Row(
                    name,
                    oursMillis,
                    rival,
                    rivalMillis,
                    ratio,
                    oursMegabytes,
                    rivalMegabytes,
                    rounded(mine),
                    rounded(theirs));
        }

        private static @Nullable Map<String, Double> rounded(@Nullable Map<String, Double> values) {
            if (values == null) {
                return null;
            }
            Map<String, Double> result = new TreeMap<>();
            values.forEach((key, value) -> result.put(key, round(value)));
            return result;
        }

        private static double round(double value) {
            return Math.round(value * 1000) / 1000.0;
        }
    }

    /** Makes a report with the versions of our parts and of the rivals' processes. */
    static BenchReport of(String bench, List<TurnProcess> processes, List<Row> rows) {
        Map<String, String> versions = new TreeMap<>();
        processes.forEach(process -> versions.putAll(process.versions()));
        return new BenchReport(bench, versions, rows);
    }

    /** Makes a report of what this JVM has measured, with the versions of rivals if any. */
    static BenchReport of(String bench, Map<String, String> rivals, List<Row> rows) {
        Map<String, String> versions = ourVersions();
        versions.putAll(rivals);
        return new BenchReport(bench, versions, rows);
    }

    /** The versions of what this JVM runs. */
    static Map<String, String> ourVersions() {
        Map<String, String> versions = new TreeMap<>();
        NativeReport natives = Natives.report();
        versions.put("yolo-ddp", Version.text());
        versions.put("java", System.getProperty("java.version"));
        versions.put("djl", natives.djlVersion());
        versions.put("libtorch", String.valueOf(natives.libtorchVersion()));
        return versions;
    }

    void print(Console console, boolean asJson) {
        if (asJson) {
            console.print(json());
        } else {
            lines().forEach(console::print);
        }
    }

    String json() {
        JsonObject json =
                new GsonBuilder()
                        .serializeNulls()
                        .disableHtmlEscaping()
                        .create()
                        .toJsonTree(this)
                        .getAsJsonObject();
        for (JsonElement row : json.getAsJsonArray("rows")) {
            for (String optional : List.of("ours_mb", "rival_mb", "ours_gb_s", "rival_gb_s")) {
                if (row.getAsJsonObject().get(optional).isJsonNull()) {
                    row.getAsJsonObject().remove(optional);
                }
            }
        }
        return json.toString();
    }

    List<String> lines() {
        List<String> lines = new ArrayList<>();
        for (Row row : rows) {
            lines.add(
                    row.rival() == null
                            ? String.format(
                                    Locale.ROOT, "%s: %s ms", row.name(), text(row.oursMillis()))
                            : String.format(
                                    Locale.ROOT,
                                    "%s: %s ms, %s %s ms, ratio %.2f (above 1: ours is faster)",
                                    row.name(),
                                    text(row.oursMillis()),
                                    row.rival(),
                                    text(row.rivalMillis()),
                                    row.ratio()));
            memory(row.name(), row.oursMegabytes()).ifPresent(lines::add);
            memory(row.rival(), row.rivalMegabytes()).ifPresent(lines::add);
            bandwidth(row.name(), row.oursGigabytesPerSecond()).ifPresent(lines::add);
            bandwidth(row.rival(), row.rivalGigabytesPerSecond()).ifPresent(lines::add);
        }
        return lines;
    }

    private static String text(double millis) {
        return String.format(Locale.ROOT, millis < 1 ? "%.3f" : "%.1f", millis);
    }

    private static Optional<String> memory(
            @Nullable String whose, @Nullable Map<String, Double> megabytes) {
        return Optional.ofNullable(megabytes)
                .map(
                        values ->
                                values.entrySet().stream()
                                        .map(e -> e.getKey() + " " + Math.round(e.getValue()))
                                        .collect(Collectors.joining(", ", whose + ": ", " MB")));
    }

    private static Optional<String> bandwidth(
            @Nullable String whose, @Nullable Map<String, Double> gigabytes) {
        return Optional.ofNullable(gigabytes)
                .map(
                        values ->
                                values.entrySet().stream()
                                        .map(
                                                e ->
                                                        String.format(
                                                                Locale.ROOT,
                                                                "%s %.2f",
                                                                e.getKey(),
                                                                e.getValue()))
                                        .collect(Collectors.joining(", ", whose + ": ", " GB/s")));
    }

    static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
