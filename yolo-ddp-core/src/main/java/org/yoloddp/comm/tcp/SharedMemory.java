package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Files that the processes of a host map. A file is filled by writing before it is mapped, so that
 * a full file system is an error here and not a signal that ends the process. A file is to be
 * unlinked as soon as all have mapped it; one that is still there when the process ends in good
 * order, such as by SIGTERM, is unlinked then. Its name tells whose it is, so that what a killed
 * process has left is removed by the next one.
 */
final class SharedMemory {

    private static final Logger LOG = LoggerFactory.getLogger(SharedMemory.class);
    private static final String PREFIX = "yolo-ddp-";
    private static final int BLOCK = 1 << 20;

    private final Path folder;
    private final long limit;
    private final AtomicLong used = new AtomicLong();

    SharedMemory(Path folder, long limit) {
        this.folder = folder;
        this.limit = limit;
    }

    /** Names the files of a process. */
    static String owner(String namespace, long pid, String start) {
        return PREFIX + namespace + "-" + pid + "-" + start;
    }

    Path path(String name) {
        return folder.resolve(name);
    }

    /** Makes a file of zeros and maps it; the mapping lasts as long as the buffer is held. */
    ByteBuffer create(String name, int bytes) throws IOException {
        if (used.addAndGet(bytes) > limit) {
            used.addAndGet(-bytes);
            throw new IOException("more than the limit of " + limit + " bytes");
        }
        Path path = path(name);
        try (FileChannel channel = openNew(path)) {
            unlinkAtTheEnd(path);
            return fill(channel, bytes);
        } catch (IOException e) {
            used.addAndGet(-bytes);
            delete(name);
            throw e;
        }
    }

    /**
     * The end is behind all shutdown hooks: in those a rank that was asked to end may finish its
     * step, with peers that have yet to map this file.
     */
    private static void unlinkAtTheEnd(Path path) throws IOException {
        try {
            path.toFile().deleteOnExit();
        } catch (IllegalStateException e) {
            throw new IOException("this process is about to end", e);
        }
    }

    private static FileChannel openNew(Path path) throws IOException {
        FileAttribute<?>[] mine =
                path.getFileSystem().supportedFileAttributeViews().contains("posix")
                        ? new FileAttribute<?>[] {
                            PosixFilePermissions.asFileAttribute(
                                    PosixFilePermissions.fromString("rw-------"))
                        }
                        : new FileAttribute<?>[0];
        Set<StandardOpenOption> options =
                Set.of(
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        return FileChannel.open(path, options, mine);
    }

    private static ByteBuffer fill(FileChannel channel, int bytes) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(Math.min(bytes, BLOCK));
        for (long at = 0; at < bytes; ) {
            zeros.clear().limit((int) Math.min(zeros.capacity(), bytes - at));
            at += channel.write(zeros, at);
        }
        return map(channel, bytes);
    }

    /** Maps another process's file. */
    ByteBuffer open(String name, int bytes) throws IOException {
        try (FileChannel channel =
                FileChannel.open(path(name), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            if (channel.size() < bytes) {
                throw new IOException(path(name) + " has " + channel.size() + " bytes");
            }
            return map(channel, bytes);
        }
    }

    private static ByteBuffer map(FileChannel channel, int bytes) throws IOException {
        return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes).order(ByteOrder.nativeOrder());
    }

    void delete(String name) {
        try {
            Files.deleteIfExists(path(name));
        } catch (IOException e) {
            LOG.warn("{} cannot be removed: {}", path(name), e.toString());
        }
    }

    /** Tells how much there is, for messages. */
    String space() {
        try {
            FileStore store = Files.getFileStore(folder);
            return (store.getTotalSpace() >> 20)
                    + " MiB in all, "
                    + (store.getUsableSpace() >> 20)
                    + " MiB free";
        } catch (IOException e) {
            return "of unknown size";
        }
    }

    Path folder() {
        return folder;
    }

    /** Removes what processes have left that are gone. */
    void removeStale() {
        String mine = OsProcess.namespace();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, PREFIX + "*")) {
            for (Path file : files) {
                String[] parts =
                        file.getFileName().toString().substring(PREFIX.length()).split("-", -1);
                if (parts.length > 3
                        && parts[0].equals(mine)
                        && parts[1].matches("\\d{1,18}")
                        && !OsProcess.start(Long.parseLong(parts[1])).equals(parts[2])
                        && Files.deleteIfExists(file)) {
                    LOG.info("removed {}, which process {} had left", file, parts[1]);
                }
            }
        } catch (IOException e) {
            LOG.debug("cannot look for left files in {}", folder, e);
        }
    }
}
