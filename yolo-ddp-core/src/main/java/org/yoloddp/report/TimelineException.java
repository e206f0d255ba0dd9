package org.yoloddp.report;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** The timeline of a training can't be recorded or written. */
public final class TimelineException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private TimelineException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static TimelineException cannotWrite(Path file, IOException cause) {
        return new TimelineException(
                "cannot write the timeline "
                        + file
                        + ": "
                        + reason(cause)
                        + "; choose a file in a folder that exists and can be written to",
                cause);
    }

    static TimelineException cannotRecord(Path file) {
        return new TimelineException(
                "cannot record the timeline "
                        + file
                        + ": this JVM has no Flight Recorder; use one that has the module jdk.jfr",
                null);
    }

    static TimelineException cannotReadRecording(Path file, IOException cause) {
        return new TimelineException(
                "cannot record the timeline "
                        + file
                        + ": what Flight Recorder writes to "
                        + System.getProperty("java.io.tmpdir")
                        + " can't be read: "
                        + cause.getMessage()
                        + "; check that there is space left",
                cause);
    }

    static TimelineException tooShort(Path file, long from, long to, long steps) {
        return new TimelineException(
                "the timeline "
                        + file
                        + " is to show the steps "
                        + from
                        + " to "
                        + to
                        + ", but the training has only "
                        + steps
                        + ", counted from 0; choose some of them",
                null);
    }

    /** The messages of file system exceptions are often the bare path. */
    private static String reason(IOException cause) {
        if (cause instanceof AccessDeniedException) {
            return "access is denied";
        }
        if (cause instanceof NoSuchFileException) {
            return "its folder doesn't exist";
        }
        if (cause instanceof FileSystemException failure && failure.getReason() != null) {
            return failure.getReason();
        }
        return String.valueOf(cause.getMessage());
    }
}
