package org.yoloddp.examples;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;

/** Draws {@code results.png}: a chart for each loss term and each metric, over the epochs. */
final class ResultsPlot implements TrainingObserver {

    private static final int COLUMNS = 5;
    private static final int WIDTH = 400;
    private static final int HEIGHT = 300;

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
            ImageIO.write(grid(charts), "png", file.toFile());
        } catch (IOException | RuntimeException | LinkageError e) {
            // A JDK without fonts can't draw text; the same numbers are in results.csv.
            console.warn(file + " can't be drawn (is fontconfig installed?): " + e);
        }
    }

    private static BufferedImage grid(List<XYChart> charts) {
        int columns = Math.min(COLUMNS, charts.size());
        int rows = (charts.size() + columns - 1) / columns;
        BufferedImage image =
                new BufferedImage(columns * WIDTH, rows * HEIGHT, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
        for (int i = 0; i < charts.size(); i++) {
            graphics.drawImage(
                    BitmapEncoder.getBufferedImage(charts.get(i)),
                    i % columns * WIDTH,
                    i / columns * HEIGHT,
                    null);
        }
        graphics.dispose();
        return image;
    }

    private static List<XYChart> charts(List<EpochReport> epochs) {
        Map<String, Map<Integer, Double>> curves = new LinkedHashMap<>();
        for (EpochReport epoch : epochs) {
            epoch.losses().forEach((name, value) -> add(curves, "train/" + name, epoch, value));
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
        XYChart chart = new XYChartBuilder().width(WIDTH).height(HEIGHT).title(name).build();
        chart.getStyler().setLegendVisible(false);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.addSeries(name, new ArrayList<>(points.keySet()), new ArrayList<>(points.values()))
                .setMarker(points.size() < 3 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
        return chart;
    }
}
