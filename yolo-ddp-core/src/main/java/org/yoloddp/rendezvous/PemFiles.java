package org.yoloddp.rendezvous;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;

/** Certificates and keys in PEM files (RFC 7468). Nothing of a key gets into a message. */
final class PemFiles {

    private static final Pattern CERTIFICATE =
            Pattern.compile("-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----");

    private static final Pattern PRIVATE_KEY =
            Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]*)-----END PRIVATE KEY-----");

    private static final Pattern BEGIN = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----");

    private static final Set<PosixFilePermission> OF_OTHERS =
            Set.of(PosixFilePermission.GROUP_READ, PosixFilePermission.OTHERS_READ);

    private PemFiles() {}

    /** Reads all certificates of a file, of which there is one at least. */
    static List<X509Certificate> certificates(Path file, String variable) {
        String text = read(file, variable);
        List<X509Certificate> found = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            Matcher pem = CERTIFICATE.matcher(text);
            while (pem.find()) {
                byte[] bytes = pem.group().getBytes(StandardCharsets.US_ASCII);
                found.add(
                        (X509Certificate)
                                factory.generateCertificate(new ByteArrayInputStream(bytes)));
            }
        } catch (CertificateException e) {
            throw unusable(
                    file,
                    variable,
                    "its certificate number " + (found.size() + 1) + " makes no sense");
        }
        if (found.isEmpty()) {
            throw unusable(file, variable, "it has no 'BEGIN CERTIFICATE'" + has(text));
        }
        return found;
    }

    /** Reads the private key of a file. */
    static PrivateKey privateKey(Path file, String variable, String algorithm) {
        String text = read(file, variable);
        Matcher pem = PRIVATE_KEY.matcher(text);
        if (!pem.find()) {
            throw unusable(
                    file,
                    variable,
                    "it has no 'BEGIN PRIVATE KEY'"
                            + has(text)
                            + "; 'openssl pkcs8 -topk8 -nocrypt' makes one of other keys");
        }
        try {
            byte[] bytes = Base64.getMimeDecoder().decode(pem.group(1));
            return KeyFactory.getInstance(algorithm)
                    .generatePrivate(new PKCS8EncodedKeySpec(bytes));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            // What they say might quote the key.
            throw unusable(
                    file,
                    variable,
                    "it is no "
                            + algorithm
                            + " key, which the certificate's is ("
                            + e.getClass().getSimpleName()
                            + ")");
        }
    }

    private static String has(String text) {
        Matcher begin = BEGIN.matcher(text);
        return begin.find() ? ", but 'BEGIN " + begin.group(1) + "'" : "";
    }

    private static String read(Path file, String variable) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw unusable(file, variable, "it cannot be read: " + e);
        }
    }

    static ConfigurationException unusable(Path file, String variable, String why) {
        return new ConfigurationException(
                "TLS cannot use the file " + file + " (" + variable + "): " + why + ".");
    }

    /** Tells whether other users of this host can read a file, as far as the system says. */
    static boolean isOpenToOthers(Path file) {
        try {
            Set<PosixFilePermission> found = Files.getPosixFilePermissions(file);
            return OF_OTHERS.stream().anyMatch(found::contains);
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }
}
