package org.yoloddp.rendezvous;

import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Instant;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the other side's certificate: first at its dates, which Java does not do for one that is
 * trusted itself, then at who vouches for it.
 */
final class TlsTrust extends X509ExtendedTrustManager {

    /** The certificate is not accepted; the message says whose it is, and why. */
    static final class UntrustedException extends CertificateException {

        private static final long serialVersionUID = 1L;

        private UntrustedException(String message, @Nullable CertificateException cause) {
            super(message, cause);
        }
    }

    private interface Check {
        void run() throws CertificateException;
    }

    private final X509ExtendedTrustManager authorities;
    private final Clock clock;

    TlsTrust(X509ExtendedTrustManager authorities, Clock clock) {
        this.authorities = authorities;
        this.clock = clock;
    }

    private void check(String whose, X509Certificate[] chain, Check vouched)
            throws CertificateException {
        X509Certificate own = chain[0];
        String who =
                whose
                        + " certificate ("
                        + Texts.clean(own.getSubjectX500Principal().getName())
                        + ", issued by "
                        + Texts.clean(own.getIssuerX500Principal().getName())
                        + ")";
        Instant now = clock.instant();
        Instant first = own.getNotBefore().toInstant();
        Instant last = own.getNotAfter().toInstant();
        if (now.isAfter(last)) {
            throw new UntrustedException(who + " expired at " + last, null);
        }
        if (now.isBefore(first)) {
            throw new UntrustedException(
                    who + " is valid from " + first + " on, but the clock here says " + now, null);
        }
        try {
            vouched.run();
        } catch (CertificateException e) {
            Throwable root = e;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            throw new UntrustedException(
                    who + " is not trusted: " + Texts.clean(String.valueOf(root.getMessage())), e);
        }
    }

    private void checkServer(X509Certificate[] chain, Check vouched) throws CertificateException {
        check("the server's", chain, vouched);
    }

    private void checkClient(X509Certificate[] chain, Check vouched) throws CertificateException {
        check("the client's", chain, vouched);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
            throws CertificateException {
        checkServer(chain, () -> authorities.checkServerTrusted(chain, type, engine));
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
            throws CertificateException {
        checkServer(chain, () -> authorities.checkServerTrusted(chain, type, socket));
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type)
            throws CertificateException {
        checkServer(chain, () -> authorities.checkServerTrusted(chain, type));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
            throws CertificateException {
        checkClient(chain, () -> authorities.checkClientTrusted(chain, type, engine));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
            throws CertificateException {
        checkClient(chain, () -> authorities.checkClientTrusted(chain, type, socket));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type)
            throws CertificateException {
        checkClient(chain, () -> authorities.checkClientTrusted(chain, type));
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return authorities.getAcceptedIssuers();
    }
}
