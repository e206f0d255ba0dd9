package org.yoloddp.report;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** The run folder cannot be made or written to. */
public final class RunFolderException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private RunFolderException(String message, @Nullable IOException cause) {
        super(message, cause);
    }

    static RunFolderException cannotCreate(Path folder, IOException cause) {
        return new RunFolderException(
                "cannot create the run folder "
                        + folder
                        + ": "
                        + reason(cause)
                        + "; choose a folder in which files can be created",
                cause);
    }

    static RunFolderException cannotWrite(Path file, IOException cause) {
        return new RunFolderException(
                "cannot write "
                        + file
                        + " in the run folder: "
                        + reason(cause)
                        + "; check that the folder still exists, is writable and has space left",
                cause);
    }

    static RunFolderException alreadyUsed(Path folder) {
        return new RunFolderException(
                "the run folder "
                        + folder
                        + " belongs to a training already; make a new RunFolder for each training",
                null);
    }

    /** The messages of file system exceptions are often the bare path. */
    private static String reason(IOException cause) {
        if (cause instanceof AccessDeniedException) {
            return "access is denied";
        }
        if (cause instanceof FileAlreadyExistsException exists) {
            return exists.getFile() + " is a file";
        }
        if (cause instanceof FileSystemException failure && failure.getReason() != null) {
            return failure.getReason();
        }
        return String.valueOf(cause);
    }
}
