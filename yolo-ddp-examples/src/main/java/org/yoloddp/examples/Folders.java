package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** What java.nio.file leaves out. */
final class Folders {

    private Folders() {}

    /** Makes the folder of a run: name, name2, name3 and so on. */
    static Path next(Path project, String name, boolean existOk) throws IOException {
        Files.createDirectories(project);
        if (existOk) {
            return Files.createDirectories(project.resolve(name));
        }
        for (int number = 1; ; number++) {
            try {
                return Files.createDirectory(project.resolve(number == 1 ? name : name + number));
            } catch (FileAlreadyExistsException e) {
                // the next one then
            }
        }
    }

    /** Deletes a folder with everything in it. */
    static void delete(Path folder) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(folder)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.delete(path);
        }
    }
}
