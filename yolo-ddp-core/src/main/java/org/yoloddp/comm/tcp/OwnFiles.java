package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files that this process has made and that are to be gone when it ends. Threads go on while a
 * process ends, and other ranks may end at any time: so from the moment that files are removed, no
 * new ones are made. Thread-safe.
 */
final class OwnFiles {

    private static final Logger LOG = LoggerFactory.getLogger(OwnFiles.class);

    /** Makes a file. */
    @FunctionalInterface
    interface Maker {
        FileChannel make() throws IOException;
    }

    private final Set<Path> files = new HashSet<>();
    private boolean ended;

    OwnFiles() {
        Thread last = new Thread(this::end, "yolo-ddp-shared-memory-end");
        try {
            Runtime.getRuntime().addShutdownHook(last);
        } catch (IllegalStateException e) {
            ended = true; // it ends already
        }
    }

    /** Makes a file that is removed at the end of the process if it has not been forgotten. */
    synchronized FileChannel open(Maker maker, Path path) throws IOException {
        if (ended) {
            throw new IOException("this process is about to end");
        }
        FileChannel channel = maker.make();
        files.add(path);
        return channel;
    }

    /** Takes notice that a file is gone. */
    synchronized void forget(Path path) {
        files.remove(path);
    }

    private synchronized void end() {
        ended = true;
        for (Path file : files) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                LOG.warn("{} cannot be removed: {}", file, e.toString());
            }
        }
    }
}
