package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.TestCertificates;

class TlsOptionsTest {

    @TempDir private Path folder;

    private TlsFiles files;
    private TestCertificates node;
    private Path certificate;
    private Path key;

    @BeforeEach
    void makeCertificates() {
        files = new TlsFiles(folder, "authority");
        node = files.authority().issue("node0");
        certificate = node.writeCertificate(folder);
        key = node.writeKey(folder);
    }

    private TlsOptions options() {
        return files.client().withCertificate(certificate, key);
    }

    private void assertUnusable(Path file, String variable, String why) {
        assertThatThrownBy(() -> options().describe())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("TLS cannot use the file " + file + " (" + variable + "): " + why);
    }

    @Test
    void offWithoutVariables() {
        TlsOptions off = TlsOptions.fromEnvironment(Map.of("YOLODDP_TLS_TRUST", " "));
        assertThat(off.isOn()).isFalse();
        assertThat(off.isMutual()).isFalse();
        assertThat(off.toEnvironment()).isEmpty();
        assertThat(off.describe()).isEqualTo("off");
        assertThat(off).hasToString("TlsOptions[off]");
    }

    @Test
    void variablesComeBackAsTheyWere() {
        Map<String, String> variables =
                Map.of(
                        "YOLODDP_TLS_TRUST", files.trust().toString(),
                        "YOLODDP_TLS_CERTIFICATE", certificate.toString(),
                        "YOLODDP_TLS_KEY", key.toString(),
                        "YOLODDP_TLS_MUTUAL", "1");
        TlsOptions read = TlsOptions.fromEnvironment(variables);
        assertThat(read.toEnvironment()).isEqualTo(variables);
        assertThat(read.isOn()).isTrue();
        assertThat(read.isMutual()).isTrue();
        assertThat(TlsOptions.variables()).containsExactlyInAnyOrderElementsOf(variables.keySet());
        Path relative = Path.of("trust.crt");
        assertThat(TlsOptions.trusting(relative).toEnvironment())
                .isEqualTo(Map.of("YOLODDP_TLS_TRUST", relative.toAbsolutePath().toString()));
    }

    @Test
    void halfOfTheVariablesIsNotEnough() {
        Map<String, String> variables = new HashMap<>();
        variables.put("YOLODDP_TLS_CERTIFICATE", "a");
        variables.put("YOLODDP_TLS_KEY", "b");
        assertThatThrownBy(() -> TlsOptions.fromEnvironment(variables))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "For TLS set YOLODDP_TLS_TRUST for all processes, and"
                                + " YOLODDP_TLS_CERTIFICATE together with YOLODDP_TLS_KEY where the"
                                + " store is served; set are only YOLODDP_TLS_CERTIFICATE,"
                                + " YOLODDP_TLS_KEY");
        variables.put("YOLODDP_TLS_TRUST", "c");
        variables.remove("YOLODDP_TLS_KEY");
        assertThatThrownBy(() -> TlsOptions.fromEnvironment(variables))
                .isInstanceOf(ConfigurationException.class)
                .hasMessageEndingWith("set are only YOLODDP_TLS_TRUST, YOLODDP_TLS_CERTIFICATE");
        variables.remove("YOLODDP_TLS_CERTIFICATE");
        variables.put("YOLODDP_TLS_MUTUAL", "yes");
        assertThatThrownBy(() -> TlsOptions.fromEnvironment(variables))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("YOLODDP_TLS_MUTUAL is 'yes', but it is 1, or 0 (the default)");
    }

    @Test
    void filesAreDescribed() throws IOException {
        String until = node.until().toString();
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
        assertThat(options().withMutual(true).describe())
                .isEqualTo(
                        "trusts CN=authority, valid until "
                                + files.authority().until()
                                + " | certificate: CN=node0, valid until "
                                + until
                                + " | clients need a certificate");
        assertThat(files.client().describe()).endsWith(" | certificate: none");
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
        assertThat(options().describe())
                .endsWith(until + ", but other users can read its key (chmod 600)");
    }

    /** What the README says is run as it is there. */
    @Test
    void recipeOfTheReadmeWorks() throws Exception {
        Path readme = Path.of("../README.md");
        String recipe =
                Files.readString(readme)
                        .lines()
                        .filter(line -> line.startsWith("openssl req "))
                        .findFirst()
                        .orElseThrow();
        Process openssl;
        try {
            openssl =
                    new ProcessBuilder("sh", "-c", "exec " + recipe)
                            .directory(folder.toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(folder.resolve("out").toFile())
                            .start();
        } catch (IOException e) {
            Assumptions.abort("there is no shell here: " + e);
            return;
        }
        assertThat(openssl.waitFor(20, TimeUnit.SECONDS)).isTrue();
        Assumptions.assumeTrue(openssl.exitValue() != 127, "there is no openssl here");
        assertThat(openssl.exitValue()).as(Files.readString(folder.resolve("out"))).isZero();
        Path own = folder.resolve("job.crt");
        assertThat(
                        TlsOptions.trusting(own)
                                .withCertificate(own, folder.resolve("job.key"))
                                .describe())
                .matches(
                        "trusts CN=our job, valid until [-0-9T:]+Z \\| certificate: CN=our job,"
                                + " valid until [-0-9T:]+Z");
    }

    @Test
    void storeIsNotServedWithoutACertificate() {
        assertThatThrownBy(
                        () ->
                                StoreServer.start(
                                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                                        JobToken.random(),
                                        StoreOptions.defaults().withTls(files.client())))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "The store cannot be served by TLS without a certificate: set"
                                + " YOLODDP_TLS_CERTIFICATE and YOLODDP_TLS_KEY, or unset"
                                + " YOLODDP_TLS_TRUST for all processes.");
    }

    @Test
    void missingFileIsNamed() throws IOException {
        Files.delete(certificate);
        assertUnusable(
                certificate,
                "YOLODDP_TLS_CERTIFICATE",
                "it cannot be read: java.nio.file.NoSuchFileException: " + certificate + ".");
    }

    @Test
    void otherThingsThanCertificatesAreNamed() throws IOException {
        Files.writeString(certificate, "nothing");
        assertUnusable(certificate, "YOLODDP_TLS_CERTIFICATE", "it has no 'BEGIN CERTIFICATE'.");
        TestCertificates.write(certificate, "CERTIFICATE REQUEST", new byte[10]);
        assertUnusable(
                certificate,
                "YOLODDP_TLS_CERTIFICATE",
                "it has no 'BEGIN CERTIFICATE', but 'BEGIN CERTIFICATE REQUEST'.");
        TestCertificates.write(files.trust(), "CERTIFICATE", new byte[10]);
        assertUnusable(
                files.trust(), "YOLODDP_TLS_TRUST", "its certificate number 1 makes no sense.");
    }

    @Test
    void datesOfTheOwnCertificateAreLookedAt() {
        Instant end = Instant.now().minusSeconds(10).truncatedTo(ChronoUnit.SECONDS);
        certificate =
                files.authority()
                        .issue("expired", end.minusSeconds(100), end)
                        .writeCertificate(folder);
        assertUnusable(
                certificate, "YOLODDP_TLS_CERTIFICATE", "it expired at " + end + "; make another.");
        Instant begin = Instant.now().plusSeconds(100).truncatedTo(ChronoUnit.SECONDS);
        certificate =
                files.authority()
                        .issue("early", begin, begin.plusSeconds(100))
                        .writeCertificate(folder);
        assertThatThrownBy(() -> options().describe())
                .isInstanceOf(ConfigurationException.class)
                .hasMessageContaining(
                        "it is valid from " + begin + " on, but this host's clock says ");
    }

    @Test
    void keyOfAnotherCertificateIsNamed() throws Exception {
        key = files.authority().issue("node1").writeKey(folder);
        assertUnusable(
                key,
                "YOLODDP_TLS_KEY",
                "it is not the key of the certificate in " + certificate + ".");
        KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
        rsa.initialize(1024);
        KeyPair pair = rsa.generateKeyPair();
        TestCertificates.write(key, "PRIVATE KEY", pair.getPrivate().getEncoded());
        assertUnusable(
                key,
                "YOLODDP_TLS_KEY",
                "it is no EC key, which the certificate's is (InvalidKeySpecException).");
    }

    @Test
    void otherFormsOfKeysAreNamed() {
        TestCertificates.write(key, "EC PRIVATE KEY", new byte[10]);
        assertUnusable(
                key,
                "YOLODDP_TLS_KEY",
                "it has no 'BEGIN PRIVATE KEY', but 'BEGIN EC PRIVATE KEY'; 'openssl pkcs8 -topk8"
                        + " -nocrypt' makes one of other keys.");
    }

    /** Whatever is wrong with a key, no part of it gets into a text. */
    @Test
    void keysAreNeverShown() throws IOException {
        String secret = "MC4CAQAwBQYDK2VwBCIEIThisIsTheSecretPartOfAKeyThatIsBroken!!";
        Files.writeString(
                key,
                "-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n",
                StandardCharsets.US_ASCII);
        TlsOptions options = options();
        assertThatThrownBy(options::describe)
                .isInstanceOf(ConfigurationException.class)
                .hasMessageNotContaining(secret.substring(0, 8))
                .hasMessageNotContaining("Secret")
                .hasNoCause();
        assertThat(options.toString()).contains(key.toString()).doesNotContain("Secret");
        node.writeKey(folder);
        String text = Files.readString(key).lines().skip(1).findFirst().orElseThrow();
        assertThat(options.describe() + options).doesNotContain(text.substring(0, 16));
        assertThat(options.readIdentity(Clock.systemUTC()).orElseThrow().toString())
                .isEqualTo("TlsIdentity[CN=node0, valid until " + node.until() + "]");
    }
}
