package org.yoloddp.rendezvous;

import java.io.IOException;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.rendezvous.TlsTrust.UntrustedException;

/** The two sides of a connection cannot understand each other's bytes. */
final class WireException extends IOException {

    private static final long serialVersionUID = 1L;

    private static final String MISSING =
            "the server asks for a certificate, and the client has none";

    private static final Pattern ALERT = Pattern.compile("Received fatal alert: (\\w+)");

    /** As Java's engine words what a server says to a client without a certificate. */
    private static final String NO_CERTIFICATE = "Empty client certificate chain";

    /** Alerts of RFC 8446 that are about the certificate of the side that receives them. */
    private static final Set<String> ABOUT_CERTIFICATES =
            Set.of(
                    "bad_certificate",
                    "unsupported_certificate",
                    "certificate_revoked",
                    "certificate_expired",
                    "certificate_unknown",
                    "certificate_required",
                    "unknown_ca",
                    "access_denied");

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

    /** Says that what came first is neither TLS nor our own handshake. */
    static WireException noTls(byte first) {
        return new WireException(
                Reason.GARBAGE,
                String.format(
                        Locale.ROOT, "what came is no TLS (it begins with the byte %02x)", first),
                Told.BOTH,
                null);
    }

    /**
     * Says in words of ours what TLS has failed of.
     *
     * @param cause what the engine says
     * @param isClient whether this side is the client
     * @param here the certificates of this side
     */
    static WireException of(SSLException cause, boolean isClient, TlsContext here) {
        for (Throwable e = cause; e != null; e = e.getCause()) {
            if (e instanceof UntrustedException) {
                return new WireException(
                        Reason.CERTIFICATE, String.valueOf(e.getMessage()), Told.BY_WIRE, cause);
            }
        }
        String text = Texts.clean(String.valueOf(cause.getMessage()));
        Matcher alert = ALERT.matcher(text);
        if (alert.find()) {
            return new WireException(
                    ABOUT_CERTIFICATES.contains(alert.group(1))
                            ? Reason.CERTIFICATE
                            : Reason.GARBAGE,
                    refusedThere(alert.group(1), isClient, here),
                    Told.BOTH,
                    cause);
        }
        if (!isClient && text.contains(NO_CERTIFICATE)) {
            return new WireException(Reason.CERTIFICATE, MISSING, Told.BY_WIRE, cause);
        }
        return new WireException(Reason.GARBAGE, "TLS failed: " + text, Told.BY_WIRE, cause);
    }

    private static String refusedThere(String alert, boolean isClient, TlsContext here) {
        if (!ABOUT_CERTIFICATES.contains(alert)) {
            return "the other side ended TLS by the alert " + alert;
        }
        if (isClient && !here.hasCertificate()) {
            return MISSING;
        }
        return (isClient
                        ? "the server does not accept the client's"
                        : "the client does not accept the server's")
                + " certificate ("
                + here.own()
                + "), by the alert "
                + alert;
    }

    Reason reason() {
        return reason;
    }

    Told told() {
        return told;
    }
}
