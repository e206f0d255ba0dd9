package org.yoloddp.testing;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.function.IntPredicate;
import org.yoloddp.testing.TcpSockets.TcpSocket;

/**
 * Makes connections of this process half-open: the kernel drops whatever comes for them, so neither
 * side hears of the other any more, and neither is told. On Linux; needs no rights.
 */
public final class DeafSockets {

    private static final int SOL_SOCKET = 1;
    private static final int SO_ATTACH_FILTER = 26;

    /** The only instruction of the filter: return 0, the bytes of a packet that are let in. */
    private static final long DROP = 0x06;

    /** The function of the C library that attaches filters. */
    interface C extends Library {
        int setsockopt(int file, int level, int name, Pointer value, int length);
    }

    private DeafSockets() {}

    /**
     * Deafens this process's TCP connections.
     *
     * @param remotePorts chooses them by the port at the other end
     * @return how many there were
     */
    public static int deafen(IntPredicate remotePorts) {
        try {
            List<TcpSocket> chosen =
                    TcpSockets.of(ProcessHandle.current().pid()).stream()
                            .filter(TcpSocket::isEstablished)
                            .filter(socket -> remotePorts.test(socket.remotePort()))
                            .toList();
            C c = Native.load("c", C.class);
            chosen.forEach(socket -> attach(c, socket.file()));
            return chosen.size();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void attach(C c, int file) {
        try (Memory instruction = new Memory(8);
                Memory program = new Memory(16)) {
            instruction.setLong(0, DROP);
            program.clear();
            program.setShort(0, (short) 1);
            program.setPointer(8, instruction);
            if (c.setsockopt(file, SOL_SOCKET, SO_ATTACH_FILTER, program, 16) != 0) {
                throw new IllegalStateException("no filter for file " + file);
            }
        }
    }
}
