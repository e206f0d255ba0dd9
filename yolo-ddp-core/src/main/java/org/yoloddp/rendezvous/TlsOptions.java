package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/**
 * Encryption of a job's store and failure channels by TLS 1.3 (RFC 8446), for networks where others
 * listen; off by default. Data sockets between ranks are not encrypted. Immutable and thread-safe.
 *
 * <p>Files are PEM; a private key is PKCS #8 without a password, for RSA, EC or Ed25519. The
 * process that serves the store needs a certificate, and with {@link #withMutual} its clients too.
 * Which certificates are trusted is the same for all processes of a job, the certificate itself
 * need not be. The process that serves the store reads files that are written anew for the next
 * connection, so that a job can outlive its certificates.
 *
 * <p>The job's token is proven inside, together with the certificates of both ends (the channel
 * binding tls-server-end-point of RFC 5929, with SHA-256): somebody in between, even if he has a
 * certificate that is trusted, cannot pass the proof on. For that reason names in certificates are
 * not compared with addresses. Without a token everybody who has such a certificate can be in
 * between.
 */
public final class TlsOptions {

    /** The variable with the file of the certificates that are trusted; it turns TLS on. */
    public static final String TRUST_VARIABLE = "YOLODDP_TLS_TRUST";

    /** The variable with the file of this process's certificate and those that vouch for it. */
    public static final String CERTIFICATE_VARIABLE = "YOLODDP_TLS_CERTIFICATE";

    /** The variable with the file of that certificate's private key. */
    public static final String KEY_VARIABLE = "YOLODDP_TLS_KEY";

    /** The variable that makes the store's server ask for certificates of clients, if it is 1. */
    public static final String MUTUAL_VARIABLE = "YOLODDP_TLS_MUTUAL";

    private static final TlsOptions OFF = new TlsOptions(null, null, null, false);

    private final @Nullable Path trust;
    private final @Nullable Path certificate;
    private final @Nullable Path key;
    private final boolean mutual;

    private TlsOptions(
            @Nullable Path trust, @Nullable Path certificate, @Nullable Path key, boolean mutual) {
        this.trust = trust;
        this.certificate = certificate;
        this.key = key;
        this.mutual = mutual;
    }

    /**
     * Returns the default.
     *
     * @return options of a store without TLS
     */
    public static TlsOptions off() {
        return OFF;
    }

    /**
     * Returns options of a process that has no certificate: it can be a client.
     *
     * @param certificates PEM file with the certificates that are trusted: of an authority, or of
     *     the servers themselves
     * @return the options
     */
    public static TlsOptions trusting(Path certificates) {
        return new TlsOptions(Objects.requireNonNull(certificates), null, null, false);
    }

    /**
     * Returns a copy with a certificate, which a server needs, and a client where it is asked for.
     *
     * @param chain PEM file with the certificate first, and then those that vouch for it, if any
     * @param privateKey PEM file with its private key
     * @return the copy
     */
    public TlsOptions withCertificate(Path chain, Path privateKey) {
        return new TlsOptions(
                trust, Objects.requireNonNull(chain), Objects.requireNonNull(privateKey), mutual);
    }

    /**
     * Returns a copy that says whether a server refuses clients without a certificate that is
     * trusted.
     *
     * @param value whether it does; default false
     * @return the copy
     */
    public TlsOptions withMutual(boolean value) {
        return new TlsOptions(trust, certificate, key, value);
    }

    /**
     * Reads the options from the environment.
     *
     * @param environment the variables
     * @return the options; {@link #off} if none of the variables is set
     * @throws ConfigurationException if only some of those are set that belong together
     */
    public static TlsOptions fromEnvironment(Map<String, String> environment) {
        String trusted = value(environment, TRUST_VARIABLE);
        String chain = value(environment, CERTIFICATE_VARIABLE);
        String privateKey = value(environment, KEY_VARIABLE);
        String both = value(environment, MUTUAL_VARIABLE);
        if (trusted.isEmpty() && chain.isEmpty() && privateKey.isEmpty() && both.isEmpty()) {
            return OFF;
        }
        if (!both.matches("[01]?")) {
            throw new ConfigurationException(
                    MUTUAL_VARIABLE + " is '" + both + "', but it is 1, or 0 (the default)");
        }
        if (trusted.isEmpty() || chain.isEmpty() != privateKey.isEmpty()) {
            throw new ConfigurationException(
                    "For TLS set "
                            + TRUST_VARIABLE
                            + " for all processes, and "
                            + CERTIFICATE_VARIABLE
                            + " together with "
                            + KEY_VARIABLE
                            + " where the store is served; set are only "
                            + String.join(
                                    ", ",
                                    variables().stream()
                                            .filter(name -> !value(environment, name).isEmpty())
                                            .toList()));
        }
        TlsOptions options = trusting(Path.of(trusted)).withMutual(both.equals("1"));
        return chain.isEmpty()
                ? options
                : options.withCertificate(Path.of(chain), Path.of(privateKey));
    }

    private static String value(Map<String, String> environment, String name) {
        return environment.getOrDefault(name, "").strip();
    }

    /**
     * Returns the variables that make a process use these options.
     *
     * @return values by name, with absolute paths; none if TLS is off
     */
    public Map<String, String> toEnvironment() {
        Map<String, String> variables = new LinkedHashMap<>();
        if (trust != null) {
            variables.put(TRUST_VARIABLE, trust.toAbsolutePath().toString());
        }
        if (certificate != null && key != null) {
            variables.put(CERTIFICATE_VARIABLE, certificate.toAbsolutePath().toString());
            variables.put(KEY_VARIABLE, key.toAbsolutePath().toString());
        }
        if (mutual) {
            variables.put(MUTUAL_VARIABLE, "1");
        }
        return variables;
    }

    /**
     * Returns the variables that these options have their values from, whether they are set or not.
     *
     * @return the names
     */
    public static List<String> variables() {
        return List.of(TRUST_VARIABLE, CERTIFICATE_VARIABLE, KEY_VARIABLE, MUTUAL_VARIABLE);
    }

    /**
     * Tells whether there is encryption.
     *
     * @return false for {@link #off}
     */
    public boolean isOn() {
        return trust != null;
    }

    /**
     * Tells whether a server asks its clients for certificates.
     *
     * @return true if it does
     */
    public boolean isMutual() {
        return mutual;
    }

    /**
     * Reads the files, and says what they hold: who is trusted, whose the certificate is and until
     * when.
     *
     * @return the text, without anything secret
     * @throws ConfigurationException if a file cannot be read or used; it says which and why
     */
    public String describe() {
        return isOn() ? TlsContext.of(this, Clock.systemUTC()).describe() : "off";
    }

    /** The certificates that are trusted. */
    List<X509Certificate> readTrusted() {
        return PemFiles.certificates(Objects.requireNonNull(trust), TRUST_VARIABLE);
    }

    /** This process's certificate and key, if it has one. */
    Optional<TlsIdentity> readIdentity(Clock clock) {
        return certificate == null || key == null
                ? Optional.empty()
                : Optional.of(TlsIdentity.read(certificate, key, clock));
    }

    /** When each file was written; one that cannot be looked at counts as never written. */
    List<FileTime> written() {
        return Stream.of(trust, certificate, key)
                .flatMap(Stream::ofNullable)
                .map(TlsOptions::written)
                .toList();
    }

    private static FileTime written(Path file) {
        try {
            return Files.getLastModifiedTime(file);
        } catch (IOException e) {
            return FileTime.fromMillis(0);
        }
    }

    @Override
    public String toString() {
        return isOn()
                ? "TlsOptions[trust "
                        + trust
                        + (certificate == null ? "" : ", certificate " + certificate)
                        + (key == null ? "" : ", key " + key)
                        + (mutual ? ", mutual" : "")
                        + "]"
                : "TlsOptions[off]";
    }
}
