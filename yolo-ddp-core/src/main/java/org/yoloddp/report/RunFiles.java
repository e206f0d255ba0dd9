package org.yoloddp.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writing of whole files and claiming of numbered folders. */
final class RunFiles {

    private RunFiles() {}

    /** Replaces the file at once: a reader sees the old text or the new one, never half. */
    static void write(Path file, String text) {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try {
            Files.write(part, text.getBytes(StandardCharsets.UTF_8));
            Files.move(
                    part,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw RunFolderException.cannotWrite(file, e);
        }
    }

    /** Makes the folder with everything above it; it may exist. */
    static Path create(Path folder) {
        try {
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw RunFolderException.cannotCreate(folder, e);
        }
    }

    /** Makes the first free one of name, name2, name3 …; two processes never get the same. */
    static Path claim(Path first) {
        create(first.toAbsolutePath().getParent());
        for (int number = 1; ; number++) {
            Path folder =
                    number == 1 ? first : first.resolveSibling(first.getFileName() + "" + number);
            try {
                return Files.createDirectory(folder);
            } catch (FileAlreadyExistsException taken) {
                continue;
            } catch (IOException e) {
                throw RunFolderException.cannotCreate(folder, e);
            }
        }
    }
}
