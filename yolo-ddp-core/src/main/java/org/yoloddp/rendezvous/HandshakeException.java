package org.yoloddp.rendezvous;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** Two processes did not agree to work together; both sides are told the same reason. */
public final class HandshakeException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** What they did not agree on. */
    public enum Reason {
        /** One of them does not know the job's token. */
        TOKEN("Give all processes of the job the same YOLODDP_TOKEN_FILE or YOLODDP_TOKEN."),
        /** They belong to different jobs. */
        JOB("Give each job an address and a port of its own."),
        /** One of them is left over from before a restart. */
        GENERATION("End the process that is left over from before the restart."),
        /** They have different versions of this library. */
        VERSION("Install the same version of yolo-ddp on all nodes."),
        /** The connection was meant for something else. */
        PURPOSE("Correct the address and the port."),
        /** The answering side takes nobody else like this one. */
        ADMISSION("Start each rank once."),
        /** The other side does not speak this protocol. */
        GARBAGE("Another program may use this port; choose another one."),
        /** The other side did not answer in time. */
        SILENCE("Another program may hold this port, or the process hangs; see what it does."),
        /** The other side closed the connection. */
        CLOSED("See what the other side says."),
        /** One of them speaks TLS, the other does not. */
        TLS("Set YOLODDP_TLS_TRUST for all processes of the job, or for none."),
        /** One of them does not accept the other's certificate. */
        CERTIFICATE(
                "Give it a certificate (YOLODDP_TLS_CERTIFICATE) that is valid now and that"
                        + " YOLODDP_TLS_TRUST of the other side vouches for.");

        private final String advice;

        Reason(String advice) {
            this.advice = advice;
        }
    }

    private final transient Reason reason;

    private HandshakeException(String message, Reason reason, @Nullable Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    /**
     * Creates the exception.
     *
     * @param purpose what the connection was for
     * @param peer the address of the other side
     * @param reason what the two did not agree on
     * @param text the reason in words
     * @param cause what led to it, or null
     * @return the exception
     */
    public static HandshakeException of(
            String purpose, String peer, Reason reason, String text, @Nullable Throwable cause) {
        return new HandshakeException(
                "The handshake for '"
                        + purpose
                        + "' with "
                        + peer
                        + " failed: "
                        + text
                        + ". "
                        + reason.advice,
                reason,
                cause);
    }

    /**
     * Returns what the two did not agree on.
     *
     * @return the reason
     */
    public Reason reason() {
        return reason;
    }
}
