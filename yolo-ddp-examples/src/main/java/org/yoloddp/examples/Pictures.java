package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.yoloddp.detection.Detection;
import org.yoloddp.detection.DetectionPainter;
import org.yoloddp.detection.PixelImage;

/** Writes images with boxes drawn onto them into a folder. */
final class Pictures {

    private final Path folder;
    private final List<String> classNames;
    private final DetectionPainter painter;

    Pictures(Path folder, List<String> classNames) {
        this.folder = folder;
        this.classNames = classNames;
        this.painter = new DetectionPainter(classNames);
    }

    /**
     * Draws and writes.
     *
     * @param labels true boxes: rows of class, centre x, centre y, width, height as fractions
     * @return what was written
     */
    PixelImage write(Path file, float[][] labels, List<Detection> found) {
        return painter.draw(file, labels, found, folder.resolve(stem(file) + ".png"));
    }

    /** In YOLO format, below the folder labels. */
    void writeLabels(Path file, PixelImage image, List<Detection> found, boolean withConfidence)
            throws IOException {
        StringBuilder text = new StringBuilder();
        for (Detection d : found) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%d %.6f %.6f %.6f %.6f",
                            d.classIndex(),
                            (d.x1() + d.x2()) / 2 / image.width(),
                            (d.y1() + d.y2()) / 2 / image.height(),
                            (d.x2() - d.x1()) / image.width(),
                            (d.y2() - d.y1()) / image.height()));
            if (withConfidence) {
                text.append(String.format(Locale.ROOT, " %.6f", d.confidence()));
            }
            text.append('\n');
        }
        Path labels = Files.createDirectories(folder.resolve("labels"));
        Files.writeString(labels.resolve(stem(file) + ".txt"), text);
    }

    /** How many of each class, in words. */
    String count(List<Detection> found) {
        Map<Integer, Long> counts =
                found.stream()
                        .collect(
                                Collectors.groupingBy(
                                        Detection::classIndex,
                                        TreeMap::new,
                                        Collectors.counting()));
        return counts.isEmpty()
                ? "nothing"
                : counts.entrySet().stream()
                        .map(entry -> entry.getValue() + " " + classNames.get(entry.getKey()))
                        .collect(Collectors.joining(", "));
    }

    private static String stem(Path file) {
        String name = file.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return dot > 0 ? name.substring(0, dot) : name;
    }
}
