package org.yoloddp.comm.tcp;

import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How {@link TcpCommunicator}s share memory and are reached. Immutable. */
public final class TcpOptions {

    private static final TcpOptions DEFAULTS = new TcpOptions(usualFolder(), Long.MAX_VALUE, null);

    private final Path sharedMemory;
    private final long limit;
    private final @Nullable InetAddress address;

    private TcpOptions(Path sharedMemory, long limit, @Nullable InetAddress address) {
        this.sharedMemory = sharedMemory;
        this.limit = limit;
        this.address = address;
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
        return new TcpOptions(folder, limit, address);
    }

    /**
     * Limits the shared memory of each rank; what does not fit is exchanged by copying.
     *
     * @param bytes the most bytes a rank takes, 0 for none
     * @return the options with it
     */
    public TcpOptions withSharedMemoryLimit(long bytes) {
        return new TcpOptions(sharedMemory, bytes, address);
    }

    /**
     * Chooses the address at which ranks of other hosts reach this one; the default is that of the
     * connection to the store.
     *
     * @param local an address of this host, the only one that is listened on
     * @return the options with it
     */
    public TcpOptions withAddress(InetAddress local) {
        return new TcpOptions(sharedMemory, limit, local);
    }

    Optional<InetAddress> address() {
        return Optional.ofNullable(address);
    }

    Path sharedMemory() {
        return sharedMemory;
    }

    long limit() {
        return limit;
    }
}
