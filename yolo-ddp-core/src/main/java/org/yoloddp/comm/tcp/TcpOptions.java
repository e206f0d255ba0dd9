package org.yoloddp.comm.tcp;

import java.nio.file.Files;
import java.nio.file.Path;

/** How {@link TcpCommunicator}s share memory. Immutable. */
public final class TcpOptions {

    private static final TcpOptions DEFAULTS = new TcpOptions(usualFolder(), Long.MAX_VALUE);

    private final Path sharedMemory;
    private final long limit;

    private TcpOptions(Path sharedMemory, long limit) {
        this.sharedMemory = sharedMemory;
        this.limit = limit;
    }

    /**
     * Returns the defaults: {@code /dev/shm} where there is one, else the folder for temporary
     * files, without a limit.
     *
     * @return the options
     */
    public static TcpOptions defaults() {
        return DEFAULTS;
    }

    private static Path usualFolder() {
        Path usual = Path.of("/dev/shm");
        return Files.isDirectory(usual) && Files.isWritable(usual)
                ? usual
                : Path.of(System.getProperty("java.io.tmpdir"));
    }

    /**
     * Chooses where the files are that ranks of one host map; best a file system in memory.
     *
     * @param folder a folder that all ranks of the host see
     * @return the options with it
     */
    public TcpOptions withSharedMemory(Path folder) {
        return new TcpOptions(folder, limit);
    }

    /**
     * Limits the shared memory of each rank; what does not fit is exchanged by copying.
     *
     * @param bytes the most bytes a rank takes, 0 for none
     * @return the options with it
     */
    public TcpOptions withSharedMemoryLimit(long bytes) {
        return new TcpOptions(sharedMemory, bytes);
    }

    Path sharedMemory() {
        return sharedMemory;
    }

    long limit() {
        return limit;
    }
}
