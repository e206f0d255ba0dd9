package org.yoloddp.rendezvous;

import java.net.InetSocketAddress;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** The store's server cannot be reached, or is gone. */
public final class StoreConnectionException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private StoreConnectionException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /**
     * Says that nothing answered at the address.
     *
     * @param address where the store should be
     * @param waited the deadline that has passed
     * @param last what the last attempt ended with
     * @return the exception
     */
    public static StoreConnectionException unreachable(
            InetSocketAddress address, Duration waited, Throwable last) {
        return new StoreConnectionException(
                "No store at "
                        + Texts.address(address)
                        + " within "
                        + waited.toMillis()
                        + " ms: "
                        + Texts.sentence(last)
                        + ". Start the process that serves it (rank 0, or the launcher of node 0),"
                        + " or correct MASTER_ADDR and MASTER_PORT.",
                last);
    }

    /**
     * Says that the connection has ended.
     *
     * @param address where the store was
     * @param server who served it
     * @param why how the connection ended
     * @return the exception
     */
    public static StoreConnectionException lost(
            InetSocketAddress address, String server, Throwable why) {
        return new StoreConnectionException(
                "The store at "
                        + Texts.address(address)
                        + ", served by "
                        + server
                        + ", is gone: "
                        + why.getMessage()
                        + ". Without it the job cannot go on; see what ended that process.",
                why);
    }

    /**
     * Says that the store was closed by this process.
     *
     * @param address where the store is
     * @return the exception
     */
    public static StoreConnectionException closed(InetSocketAddress address) {
        return new StoreConnectionException(
                "This process has closed its connection to the store at "
                        + Texts.address(address)
                        + ".",
                null);
    }

    /**
     * Says that the port cannot be served.
     *
     * @param address what to bind
     * @param why what the system said
     * @return the exception
     */
    public static StoreConnectionException cannotBind(InetSocketAddress address, Throwable why) {
        return new StoreConnectionException(
                "The store cannot listen on "
                        + Texts.address(address)
                        + ": "
                        + why.getMessage()
                        + ". Choose another port (MASTER_PORT), or end the program that uses it;"
                        + " the address must be one of this host.",
                why);
    }

    /**
     * Says that the server has refused a request.
     *
     * @param address where the store is
     * @param reason what the server said
     * @return the exception
     */
    public static StoreConnectionException refused(InetSocketAddress address, String reason) {
        return new StoreConnectionException(
                "The store at " + Texts.address(address) + " refused a request: " + reason + ".",
                null);
    }

    /** Makes an exception that says the same, with the stack of the calling thread. */
    StoreConnectionException copy() {
        return new StoreConnectionException(String.valueOf(getMessage()), getCause());
    }
}
