package org.yoloddp.detection;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** Writes small data sets for tests; {@code train} and {@code val} start with one good image. */
final class DatasetFolder {

    private final Path root;

    DatasetFolder(Path root) {
        this.root = root;
        write("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
        image("images/train/a.png", 40, 30);
        write("labels/train/a.txt", "0 .5 .5 .2 .4\n");
        image("images/val/v.png", 40, 30);
        write("labels/val/v.txt", "1 .5 .5 .2 .4\n");
    }

    Path yaml() {
        return root.resolve("data.yaml");
    }

    Path path(String name) {
        return root.resolve(name);
    }

    Path write(String name, String text) {
        return write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    Path write(String name, byte[] content) {
        try {
            Files.createDirectories(path(name).getParent());
            return Files.write(path(name), content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path image(String name, int width, int height) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < width * height; i++) {
            image.setRGB(i % width, i / width, i * 7919);
        }
        try {
            Files.createDirectories(path(name).getParent());
            ImageIO.write(image, name.substring(name.length() - 3), path(name).toFile());
            return path(name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void delete(String name) {
        try {
            Files.delete(path(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    DetectionDataset load() {
        return DetectionDataset.load(yaml());
    }
}
