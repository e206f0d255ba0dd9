package org.yoloddp.rendezvous;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.error.ConfigurationException;

/** What was read of the files of {@link TlsOptions}. Immutable and thread-safe. */
final class TlsContext {

    private static final Logger LOG = LoggerFactory.getLogger(TlsContext.class);
    private static final AtomicBoolean WARNED = new AtomicBoolean();
    private static final String[] PROTOCOLS = {"TLSv1.3"};
    private static final char[] NO_PASSWORD = {};

    private final SSLContext context;
    private final List<X509Certificate> trusted;
    private final @Nullable TlsIdentity identity;
    private final boolean mutual;

    private TlsContext(
            SSLContext context,
            List<X509Certificate> trusted,
            @Nullable TlsIdentity identity,
            boolean mutual) {
        this.context = context;
        this.trusted = trusted;
        this.identity = identity;
        this.mutual = mutual;
    }

    /** Reads what a server needs. */
    static TlsContext forServer(TlsOptions options, Clock clock) {
        TlsContext context = of(options, clock);
        if (context.identity == null) {
            throw new ConfigurationException(
                    "The store cannot be served by TLS without a certificate: set "
                            + TlsOptions.CERTIFICATE_VARIABLE
                            + " and "
                            + TlsOptions.KEY_VARIABLE
                            + ", or unset "
                            + TlsOptions.TRUST_VARIABLE
                            + " for all processes.");
        }
        return context;
    }

    /** Reads all files that there are. */
    static TlsContext of(TlsOptions options, Clock clock) {
        List<X509Certificate> trusted = options.readTrusted();
        TlsIdentity identity = options.readIdentity(clock).orElse(null);
        if (identity != null && identity.exposed() && WARNED.compareAndSet(false, true)) {
            LOG.warn("other users of this host can read the private key for TLS: chmod 600 it");
        }
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(
                    keys(identity), new TrustManager[] {new TlsTrust(trust(trusted), clock)}, null);
            return new TlsContext(context, trusted, identity, options.isMutual());
        } catch (GeneralSecurityException | IOException e) {
            throw new ConfigurationException("TLS cannot be set up with " + options + ": " + e);
        }
    }

    private static KeyManager[] keys(@Nullable TlsIdentity identity)
            throws GeneralSecurityException, IOException {
        KeyStore own = emptyStore();
        if (identity != null) {
            own.setKeyEntry(
                    "own",
                    identity.key(),
                    NO_PASSWORD,
                    identity.chain().toArray(X509Certificate[]::new));
        }
        KeyManagerFactory keys =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, NO_PASSWORD);
        return keys.getKeyManagers();
    }

    private static X509ExtendedTrustManager trust(List<X509Certificate> trusted)
            throws GeneralSecurityException, IOException {
        KeyStore authorities = emptyStore();
        for (X509Certificate one : trusted) {
            authorities.setCertificateEntry("trusted" + authorities.size(), one);
        }
        TrustManagerFactory factory =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(authorities);
        return Arrays.stream(factory.getTrustManagers())
                .filter(X509ExtendedTrustManager.class::isInstance)
                .map(X509ExtendedTrustManager.class::cast)
                .findFirst()
                .orElseThrow(() -> new GeneralSecurityException("no manager of trust for X.509"));
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, NO_PASSWORD);
        return store;
    }

    /** Returns an engine of one connection, which speaks TLS 1.3 only and resumes no session. */
    SSLEngine engine(boolean isClient) {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(isClient);
        engine.setEnabledProtocols(PROTOCOLS);
        if (!isClient) {
            engine.setNeedClientAuth(mutual);
        }
        return engine;
    }

    /** Says whose certificate this side has. */
    String own() {
        return identity == null ? "none" : identity.describe();
    }

    boolean hasCertificate() {
        return identity != null;
    }

    String describe() {
        StringBuilder text = new StringBuilder("trusts ");
        for (int i = 0; i < trusted.size(); i++) {
            text.append(i == 0 ? "" : "; ").append(TlsIdentity.describe(trusted.get(i)));
        }
        text.append(" | certificate: ").append(own());
        if (identity != null && identity.exposed()) {
            text.append(", but other users can read its key (chmod 600)");
        }
        return text.append(mutual ? " | clients need a certificate" : "").toString();
    }
}
