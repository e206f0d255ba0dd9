package org.yoloddp.examples;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.yoloddp.detection.Detection;
import org.yoloddp.error.ConfigurationException;

/** Writes images with boxes drawn onto them into a folder. */
final class Pictures {

    private final Path folder;
    private final List<String> classNames;
    private final BoxPainter painter = new BoxPainter();

    Pictures(Path folder, List<String> classNames) {
        this.folder = folder;
        this.classNames = classNames;
    }

    /**
     * Draws and writes.
     *
     * @param labels true boxes: rows of class, centre x, centre y, width, height as fractions
     * @return the written file
     */
    Path write(Path file, List<float[]> labels, List<Detection> found) throws IOException {
        BufferedImage image = ImageIO.read(file.toFile());
        if (image == null) {
            throw new ConfigurationException(
                    file + " can't be drawn on: Java reads bmp, gif, jpeg, png and tiff");
        }
        List<BoxPainter.Box> truth = new ArrayList<>();
        for (float[] row : labels) {
            truth.add(box(row, image.getWidth(), image.getHeight()));
        }
        List<BoxPainter.Box> detected = found.stream().map(this::box).toList();
        Path target = folder.resolve(stem(file) + ".png");
        ImageIO.write(painter.draw(image, truth, detected), "png", target.toFile());
        return target;
    }

    /** In YOLO format, below the folder labels. */
    void writeLabels(Path file, List<Detection> found, boolean withConfidence) throws IOException {
        BufferedImage image = ImageIO.read(file.toFile());
        StringBuilder text = new StringBuilder();
        for (Detection d : found) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%d %.6f %.6f %.6f %.6f",
                            d.classIndex(),
                            (d.x1() + d.x2()) / 2 / image.getWidth(),
                            (d.y1() + d.y2()) / 2 / image.getHeight(),
                            (d.x2() - d.x1()) / image.getWidth(),
                            (d.y2() - d.y1()) / image.getHeight()));
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

    private BoxPainter.Box box(Detection d) {
        String label =
                String.format(
                        Locale.ROOT, "%s %.2f", classNames.get(d.classIndex()), d.confidence());
        return new BoxPainter.Box(d.x1(), d.y1(), d.x2(), d.y2(), d.classIndex(), label);
    }

    private static BoxPainter.Box box(float[] row, int width, int height) {
        return new BoxPainter.Box(
                (row[1] - row[3] / 2) * width,
                (row[2] - row[4] / 2) * height,
                (row[1] + row[3] / 2) * width,
                (row[2] + row[4] / 2) * height,
                (int) row[0],
                "");
    }

    private static String stem(Path file) {
        String name = file.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return dot > 0 ? name.substring(0, dot) : name;
    }
}
