package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.yoloddp.error.ConfigurationException;

/** Finds images. */
final class ImageSource {

    private static final Set<String> EXTENSIONS =
            Set.of("bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp");

    private ImageSource() {}

    /** The image itself, or those of a folder, sorted. */
    static List<Path> list(Path source) throws IOException {
        if (Files.isRegularFile(source)) {
            return List.of(source);
        }
        if (!Files.isDirectory(source)) {
            throw new ConfigurationException("--source " + source + " is neither file nor folder");
        }
        try (Stream<Path> files = Files.list(source)) {
            List<Path> images = files.filter(ImageSource::isImage).sorted().toList();
            if (images.isEmpty()) {
                throw new ConfigurationException(
                        "--source " + source + " holds no image: none of *." + names());
            }
            return images;
        }
    }

    private static boolean isImage(Path file) {
        String name = file.getFileName().toString();
        String extension = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return EXTENSIONS.contains(extension);
    }

    private static String names() {
        return String.join(", *.", EXTENSIONS.stream().sorted().toList());
    }
}
