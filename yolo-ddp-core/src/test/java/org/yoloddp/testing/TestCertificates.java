package org.yoloddp.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A certificate (X.509 v3, ECDSA on P-256) made for a test, with its key, which can issue others.
 * DER by hand: keytool would cost a JVM for each step, and can't choose dates to the second.
 *
 * @param name its common name
 * @param pair its keys
 * @param encoded the certificate
 * @param until when it expires
 * @param issuer who has signed it, null for itself
 */
public record TestCertificates(
        String name,
        KeyPair pair,
        byte[] encoded,
        Instant until,
        @Nullable TestCertificates issuer) {

    private static final byte[] ECDSA_WITH_SHA256 = {
        0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 4, 3, 2
    };
    private static final byte[] COMMON_NAME = {0x55, 4, 3};
    private static final byte[] BASIC_CONSTRAINTS = {0x55, 0x1d, 0x13};
    private static final byte[] TRUE = {1, 1, -1};
    private static final int SEQUENCE = 0x30;
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

    private static long serial = 1;

    /** Makes one that vouches for itself and for others, valid for a day before and after now. */
    public static TestCertificates authority(String name) {
        Instant now = Instant.now();
        return make(name, null, now.minus(Duration.ofDays(1)), now.plus(Duration.ofDays(1)));
    }

    /** Makes one that vouches for itself at a time of its own. */
    public static TestCertificates authority(String name, Instant from, Instant to) {
        return make(name, null, from, to);
    }

    /** Issues one for somebody else, valid for a day before and after now. */
    public TestCertificates issue(String other) {
        Instant now = Instant.now();
        return issue(other, now.minus(Duration.ofDays(1)), now.plus(Duration.ofDays(1)));
    }

    public TestCertificates issue(String other, Instant from, Instant to) {
        return make(other, this, from, to);
    }

    /** Writes the certificate into {@code NAME.crt}. */
    public Path writeCertificate(Path folder) {
        return write(folder.resolve(name + ".crt"), "CERTIFICATE", encoded);
    }

    /** Writes the key into {@code NAME.key}, for this user only. */
    public Path writeKey(Path folder) {
        Path file =
                write(folder.resolve(name + ".key"), "PRIVATE KEY", pair.getPrivate().getEncoded());
        try {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (UnsupportedOperationException e) {
            return file; // a system without such permissions
        }
        return file;
    }

    /** Writes bytes as PEM. */
    public static Path write(Path file, String what, byte[] bytes) {
        byte[] newline = {'\n'};
        String text =
                "-----BEGIN "
                        + what
                        + "-----\n"
                        + Base64.getMimeEncoder(64, newline).encodeToString(bytes)
                        + "\n-----END "
                        + what
                        + "-----\n";
        try {
            return Files.writeString(file, text, StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static TestCertificates make(
            String name, @Nullable TestCertificates issuer, Instant from, Instant to) {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            KeyPair pair = generator.generateKeyPair();
            TestCertificates signer = issuer;
            String issuerName = signer == null ? name : signer.name;
            byte[] body = body(issuerName, name, pair.getPublic(), issuer == null, from, to);
            Signature signature = Signature.getInstance("SHA256withECDSA");
            signature.initSign(signer == null ? pair.getPrivate() : signer.pair.getPrivate());
            signature.update(body);
            byte[] encoded =
                    der(SEQUENCE, body, algorithm(), der(3, new byte[1], signature.sign()));
            return new TestCertificates(
                    name, pair, encoded, to.truncatedTo(ChronoUnit.SECONDS), issuer);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static synchronized byte[] body(
            String issuer, String name, PublicKey key, boolean vouches, Instant from, Instant to) {
        byte[] number = {(byte) (serial >> 8), (byte) serial++};
        byte[] constraints = der(SEQUENCE, vouches ? TRUE : new byte[0]);
        return der(
                SEQUENCE,
                der(0xa0, der(2, new byte[] {2})),
                der(2, new byte[] {1}, number),
                algorithm(),
                commonName(issuer),
                der(SEQUENCE, time(from), time(to)),
                commonName(name),
                key.getEncoded(),
                der(
                        0xa3,
                        der(
                                SEQUENCE,
                                der(
                                        SEQUENCE,
                                        der(6, BASIC_CONSTRAINTS),
                                        TRUE,
                                        der(4, constraints)))));
    }

    private static byte[] algorithm() {
        return der(SEQUENCE, der(6, ECDSA_WITH_SHA256));
    }

    private static byte[] commonName(String name) {
        byte[] text = der(0x0c, name.getBytes(StandardCharsets.UTF_8));
        return der(SEQUENCE, der(0x31, der(SEQUENCE, der(6, COMMON_NAME), text)));
    }

    private static byte[] time(Instant instant) {
        return der(0x17, TIME.format(instant).getBytes(StandardCharsets.US_ASCII));
    }

    /** Writes a tag, the length of the parts, and the parts. */
    private static byte[] der(int tag, byte[]... parts) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            content.writeBytes(part);
        }
        int length = content.size();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        if (length < 128) {
            out.write(length);
        } else if (length < 256) {
            out.write(0x81);
            out.write(length);
        } else {
            out.write(0x82);
            out.write(length >> 8);
            out.write(length);
        }
        out.writeBytes(content.toByteArray());
        return out.toByteArray();
    }

    @Override
    public boolean equals(Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return Objects.hash(name);
    }

    @Override
    public String toString() {
        return "TestCertificates[" + name + "]";
    }
}
