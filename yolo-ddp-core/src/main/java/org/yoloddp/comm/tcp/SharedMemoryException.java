package org.yoloddp.comm.tcp;

import java.io.IOException;
import org.yoloddp.error.YoloDdpException;

/** Shared memory cannot be had, or a peer's cannot be mapped. */
public final class SharedMemoryException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private SharedMemoryException(String message, IOException cause) {
        super(message, cause);
    }

    static SharedMemoryException full(SharedMemory shared, IOException cause) {
        return new SharedMemoryException(
                "There is no room for the window that ordinary memory is exchanged through in "
                        + shared.folder()
                        + " ("
                        + shared.space()
                        + "): "
                        + cause.getMessage()
                        + ". Make it larger, for a container by --shm-size.",
                cause);
    }

    static SharedMemoryException notMapped(String what, int rank, IOException cause) {
        return new SharedMemoryException(
                "The shared memory "
                        + what
                        + " of rank "
                        + rank
                        + " cannot be mapped: "
                        + cause
                        + ". Look whether somebody removes files there, or give the ranks different"
                        + " YOLODDP_HOST_ID to go over sockets.",
                cause);
    }
}
