package org.yoloddp.detection;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** Finds images, and the label file that belongs to an image. */
final class ImageFiles {

    /** What both the original and OpenCV read. */
    static final List<String> EXTENSIONS =
            List.of("bmp", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp");

    private ImageFiles() {}

    /** The images of a folder and its subfolders, of a list, or the image itself, by path. */
    static List<Path> find(Path source) throws IOException {
        List<Path> result = new ArrayList<>();
        if (Files.isDirectory(source)) {
            try (Stream<Path> files = Files.walk(source, FileVisitOption.FOLLOW_LINKS)) {
                files.filter(ImageFiles::isImage).filter(Files::isRegularFile).forEach(result::add);
            }
        } else if (isImage(source)) {
            result.add(source);
        } else {
            Path folder = source.toAbsolutePath().getParent();
            for (String line : Files.readAllLines(source, StandardCharsets.UTF_8)) {
                Path path = folder.resolve(line.strip()).normalize();
                if (isImage(path)) {
                    result.add(path);
                }
            }
        }
        result.sort(Comparator.comparing(Path::toString));
        return result;
    }

    static boolean isImage(Path file) {
        String name = file.toString();
        int dot = name.lastIndexOf('.');
        return dot >= 0 && EXTENSIONS.contains(name.substring(dot + 1).toLowerCase(Locale.ROOT));
    }

    /** The last folder named images becomes labels, the extension txt. */
    static Path labels(Path image) {
        String separator = image.getFileSystem().getSeparator();
        String images = separator + "images" + separator;
        String path = image.toString();
        int at = path.lastIndexOf(images);
        if (at >= 0) {
            path =
                    path.substring(0, at)
                            + separator
                            + "labels"
                            + separator
                            + path.substring(at + images.length());
        }
        return image.getFileSystem().getPath(path.substring(0, path.lastIndexOf('.')) + ".txt");
    }
}
