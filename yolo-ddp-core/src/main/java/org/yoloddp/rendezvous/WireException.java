package org.yoloddp.rendezvous;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.yoloddp.rendezvous.HandshakeException.Reason;

/** The two sides of a connection cannot understand each other's bytes. */
final class WireException extends IOException {

    private static final long serialVersionUID = 1L;

    /** Who of the two still has to be told. */
    enum Told {
        /** Both know. */
        BOTH,
        /** The wire itself tells the other side, who needs a moment to read it. */
        BY_WIRE,
        /** The other side understands a plain refusal only. */
        IN_PLAIN
    }

    private final Reason reason;
    private final Told told;

    private WireException(Reason reason, String text, Told told, @Nullable Throwable cause) {
        super(text, cause);
        this.reason = reason;
        this.told = told;
    }

    /**
     * Says that one of them speaks TLS.
     *
     * @param byClient whether that is the client
     * @param told whether the other side has to be told
     */
    static WireException oneSided(boolean byClient, Told told) {
        return new WireException(
                Reason.TLS,
                byClient
                        ? "the client speaks TLS, the server does not"
                        : "the server speaks TLS, the client does not",
                told,
                null);
    }

    Reason reason() {
        return reason;
    }

    Told told() {
        return told;
    }
}
