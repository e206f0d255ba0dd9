package org.yoloddp.examples;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;

/** Draws {@code results.png}: a chart for each loss term and each metric, over the epochs. */
final class ResultsPlot implements TrainingObserver {

    private static final int COLUMNS = 4;

    private final Supplier<Path> folder;
    private final Console console;

    ResultsPlot(Supplier<Path> folder, Console console) {
        this.folder = folder;
        this.console = console;
    }

    @Override
    public void onEnd(TrainingReport report) {
        List<XYChart> charts = charts(report.epochs());
        if (charts.isEmpty()) {
            return;
        }
        Path file = folder.get().resolve("results.png");
        try {
            int rows = (charts.size() + COLUMNS - 1) / COLUMNS;
            BitmapEncoder.saveBitmap(
                    charts,
                    rows,
                    Math.min(COLUMNS, charts.size()),
                    file.toString(),
                    BitmapFormat.PNG);
        } catch (IOException | RuntimeException | LinkageError e) {
            // A JDK without fonts can't draw text; the same numbers are in results.csv.
            console.warn(file + " can't be drawn (is fontconfig installed?): " + e);
        }
    }

    private static List<XYChart> charts(List<EpochReport> epochs) {
        Map<String, Map<Integer, Double>> curves = new LinkedHashMap<>();
        for (EpochReport epoch : epochs) {
            epoch.losses().forEach((name, value) -> add(curves, name + " loss", epoch, value));
        }
        for (EpochReport epoch : epochs) {
            epoch.validation()
                    .ifPresent(
                            found ->
                                    found.metrics()
                                            .forEach(
                                                    (name, value) ->
                                                            add(curves, name, epoch, value)));
        }
        List<XYChart> charts = new ArrayList<>();
        curves.forEach((name, points) -> charts.add(chart(name, points)));
        return charts;
    }

    private static void add(
            Map<String, Map<Integer, Double>> curves,
            String name,
            EpochReport epoch,
            double value) {
        curves.computeIfAbsent(name, key -> new LinkedHashMap<>()).put(epoch.epoch() + 1, value);
    }

    private static XYChart chart(String name, Map<Integer, Double> points) {
        XYChart chart = new XYChartBuilder().width(400).height(300).title(name).build();
        chart.getStyler().setLegendVisible(false);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.addSeries(name, new ArrayList<>(points.keySet()), new ArrayList<>(points.values()))
                .setMarker(points.size() < 3 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
        return chart;
    }
}
