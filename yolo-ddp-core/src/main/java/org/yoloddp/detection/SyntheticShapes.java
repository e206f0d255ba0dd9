package org.yoloddp.detection;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;

/**
 * Draws data sets of coloured shapes for tests and first steps: reddish circles, greenish squares
 * and bluish triangles on a noisy background.
 */
public final class SyntheticShapes {

    /** The names of the classes. */
    public static final List<String> CLASSES = List.of("circle", "square", "triangle");

    private static final int MOST_SHAPES = 4;

    private SyntheticShapes() {}

    /**
     * Writes a data set in YOLO format; the same arguments give the same pixels.
     *
     * @param folder where to; it is made if it does not exist
     * @param trainImages the number of images to train on, 1 or more
     * @param valImages the number of images to validate on, 1 or more
     * @param imageSize the width and height of the images, 32 or more
     * @param seed decides what is drawn
     * @return the path of the data.yaml
     * @throws DatasetException if a file can't be written
     */
    public static Path write(
            Path folder, int trainImages, int valImages, int imageSize, long seed) {
        Path yaml = folder.resolve("data.yaml");
        try {
            SplittableRandom random = new SplittableRandom(seed);
            write(folder, "train", trainImages, imageSize, random);
            write(folder, "val", valImages, imageSize, random);
            Files.writeString(
                    yaml,
                    "train: images/train\nval: images/val\nnames: ["
                            + String.join(", ", CLASSES)
                            + "]\n",
                    StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw DatasetException.unwritable(folder, e);
        }
        return yaml;
    }

    private static void write(
            Path folder, String split, int count, int size, SplittableRandom random)
            throws IOException {
        Path images = Files.createDirectories(folder.resolve("images").resolve(split));
        Path labels = Files.createDirectories(folder.resolve("labels").resolve(split));
        for (int i = 0; i < count; i++) {
            String name = String.format(Locale.ROOT, "shapes%05d", i);
            BufferedImage image = background(size, random);
            List<Shape> shapes = shapes(size, random);
            StringBuilder text = new StringBuilder();
            for (Shape shape : shapes) {
                shape.draw(image, random);
                text.append(shape.label(size)).append('\n');
            }
            ImageIO.write(image, "png", images.resolve(name + ".png").toFile());
            Files.writeString(labels.resolve(name + ".txt"), text, StandardCharsets.UTF_8);
        }
    }

    private static BufferedImage background(int size, SplittableRandom random) {
        BufferedImage image = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
        int grey = random.nextInt(60, 180);
        for (int y = 0; y < size; y++) {
            for (int x = 0; x < size; x++) {
                int value = grey + random.nextInt(-15, 16);
                image.setRGB(x, y, value << 16 | value << 8 | value);
            }
        }
        return image;
    }

    /** At least one, and none that touches another. */
    private static List<Shape> shapes(int size, SplittableRandom random) {
        int wanted = random.nextInt(1, MOST_SHAPES + 1);
        List<Shape> shapes = new ArrayList<>();
        for (int attempt = 0; attempt < 50 && shapes.size() < wanted; attempt++) {
            int side = random.nextInt(size / 6, size / 3 + 1);
            Shape shape =
                    new Shape(
                            random.nextInt(CLASSES.size()),
                            random.nextInt(0, size - side),
                            random.nextInt(0, size - side),
                            side);
            if (shapes.stream().noneMatch(shape::touches)) {
                shapes.add(shape);
            }
        }
        return shapes;
    }

    /** A shape that fills a square of pixels. */
    private record Shape(int classIndex, int left, int top, int side) {

        boolean touches(Shape other) {
            return left <= other.left + other.side
                    && other.left <= left + side
                    && top <= other.top + other.side
                    && other.top <= top + side;
        }

        void draw(BufferedImage image, SplittableRandom random) {
            int[] levels = {random.nextInt(70), random.nextInt(70), random.nextInt(70)};
            levels[classIndex] = random.nextInt(180, 256);
            int colour = levels[0] << 16 | levels[1] << 8 | levels[2];
            for (int y = 0; y < side; y++) {
                for (int x = 0; x < side; x++) {
                    if (covers((x + .5) / side, (y + .5) / side)) {
                        image.setRGB(left + x, top + y, colour);
                    }
                }
            }
        }

        private boolean covers(double x, double y) {
            return switch (classIndex) {
                case 0 -> (x - .5) * (x - .5) + (y - .5) * (y - .5) <= .25;
                case 1 -> true;
                default -> Math.abs(x - .5) <= y / 2;
            };
        }

        String label(int size) {
            double centreX = (left + side / 2.0) / size;
            double centreY = (top + side / 2.0) / size;
            double part = (double) side / size;
            return String.format(
                    Locale.ROOT,
                    "%d %.6f %.6f %.6f %.6f",
                    classIndex,
                    centreX,
                    centreY,
                    part,
                    part);
        }
    }
}
