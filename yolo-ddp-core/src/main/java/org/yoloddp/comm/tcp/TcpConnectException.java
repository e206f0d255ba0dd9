package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.time.Duration;
import org.yoloddp.error.YoloDdpException;

/** A rank of another host cannot be reached. */
public final class TcpConnectException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private TcpConnectException(String message) {
        super(message);
    }

    private TcpConnectException(String message, IOException cause) {
        super(message, cause);
    }

    static TcpConnectException cannotListen(int rank, IOException cause) {
        return new TcpConnectException(
                "Rank "
                        + rank
                        + " cannot listen for ranks of other hosts: "
                        + cause
                        + ". Choose an address of this host.",
                cause);
    }

    static TcpConnectException late(int rank, String group, Duration waited) {
        return new TcpConnectException(
                "Rank "
                        + rank
                        + " is not connected to its neighbours of group '"
                        + group
                        + "' within "
                        + waited.toMillis()
                        + " ms. Look whether they run, and whether a firewall drops what goes"
                        + " between the hosts.");
    }

    static TcpConnectException refused(int rank, String group, int peer) {
        return new TcpConnectException(
                "Rank "
                        + rank
                        + " cannot connect to rank "
                        + peer
                        + " of group '"
                        + group
                        + "'; the log says why. Give the address that other hosts reach it by, and"
                        + " let a firewall pass it.");
    }
}
