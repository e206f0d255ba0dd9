package org.yoloddp.detection;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Decodes images and scales their longer side to the size of the network's input. */
final class ImageReader {

    private ImageReader() {}

    static PixelImage decode(Path path) {
        byte[] file;
        try {
            file = Files.readAllBytes(path);
        } catch (IOException e) {
            throw DatasetException.unreadable(path, e);
        }
        PixelImage image = OpenCv.decode(file);
        if (image == null) {
            throw DatasetException.undecodable(path);
        }
        return image;
    }

    /** In training, and to enlarge, linear; else by area. */
    static PixelImage fit(PixelImage image, int size, boolean training) {
        double ratio = (double) size / Math.max(image.width(), image.height());
        if (ratio == 1) {
            return image;
        }
        int width = Math.max((int) (image.width() * ratio), 1);
        int height = Math.max((int) (image.height() * ratio), 1);
        return OpenCv.resize(image, width, height, training || ratio > 1);
    }
}
