package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.testing.TestCertificates;

/** Both sides learn at once, and in words, why they cannot speak to each other. */
@Timeout(60)
class TlsRefusalTest {

    /** Less than it would take to try again and again, or to run into a deadline. */
    private static final long AT_ONCE_NANOS = Duration.ofSeconds(4).toNanos();

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Clock NOW = Clock.systemUTC();

    @TempDir private Path folder;

    private final JobToken token = JobToken.random();
    private TlsFiles files;

    @BeforeEach
    void makeCertificates() {
        files = new TlsFiles(folder, "authority");
    }

    private void assertOpens(TlsOptions server, TlsOptions client) throws Exception {
        try (WirePeers peers = new WirePeers(server, NOW, token, LONG)) {
            assertThat(WirePeers.connect(peers.address(), token, client)).isNull();
            assertThat(peers.failure()).isNull();
        }
    }

    private void assertRefused(
            TlsOptions server,
            TlsOptions client,
            Reason reason,
            String atClient,
            String atServer,
            String advice)
            throws Exception {
        assertRefused(server, NOW, client, reason, atClient, atServer, advice);
    }

    private void assertRefused(
            TlsOptions server,
            Clock clock,
            TlsOptions client,
            Reason reason,
            String atClient,
            String atServer,
            String advice)
            throws Exception {
        try (WirePeers peers = new WirePeers(server, clock, token, LONG)) {
            long start = System.nanoTime();
            assertFailure(
                    WirePeers.connect(peers.address(), token, client),
                    reason,
                    "The handshake for 'store' with .* failed: " + atClient + "\\. " + advice);
            assertFailure(
                    peers.failure(),
                    reason,
                    "The handshake for '.*' with .* failed: " + atServer + "\\. " + advice);
            assertThat(System.nanoTime() - start).isLessThan(AT_ONCE_NANOS);
        }
    }

    private static void assertFailure(@Nullable Exception failure, Reason reason, String pattern) {
        assertThat(failure)
                .isInstanceOfSatisfying(
                        HandshakeException.class, e -> assertThat(e.reason()).isEqualTo(reason));
        assertThat(failure).message().matches(pattern);
    }

    private static final String ALL_OR_NONE =
            "Set YOLODDP_TLS_TRUST for all processes of the job, or for none\\.";

    private static final String GIVE_ANOTHER =
            "Give it a certificate \\(YOLODDP_TLS_CERTIFICATE\\) that is valid now and that"
                    + " YOLODDP_TLS_TRUST of the other side vouches for\\.";

    @Test
    void plainClientAtAServerOfTls() throws Exception {
        String text = "the server speaks TLS, the client does not";
        assertRefused(files.with("node0"), TlsOptions.off(), Reason.TLS, text, text, ALL_OR_NONE);
    }

    @Test
    void clientOfTlsAtAPlainServer() throws Exception {
        String text = "the client speaks TLS, the server does not";
        assertRefused(TlsOptions.off(), files.client(), Reason.TLS, text, text, ALL_OR_NONE);
    }

    @Test
    void serverWithTheCertificateOfAnotherAuthority() throws Exception {
        TlsFiles other = new TlsFiles(folder, "stranger");
        assertRefused(
                other.with("node0"),
                files.client(),
                Reason.CERTIFICATE,
                "the server's certificate \\(CN=node0, issued by CN=stranger\\) is not trusted:"
                        + " unable to find valid certification path to requested target",
                "the client does not accept the server's certificate \\(CN=node0, valid until"
                        + " [-0-9]{10}T[:0-9]{8}Z\\), by the alert certificate_unknown",
                GIVE_ANOTHER);
    }

    @Test
    void serverWhoseCertificateHasExpiredSinceItStarted() throws Exception {
        Instant end = Instant.now().minusSeconds(100).truncatedTo(ChronoUnit.SECONDS);
        TestCertificates old = files.authority().issue("node0", end.minusSeconds(1000), end);
        assertRefused(
                files.with(old),
                Clock.fixed(end.minusSeconds(10), ZoneOffset.UTC),
                files.client(),
                Reason.CERTIFICATE,
                "the server's certificate \\(CN=node0, issued by CN=authority\\) expired at " + end,
                "the client does not accept the server's certificate \\(CN=node0, valid until "
                        + end
                        + "\\), by the alert certificate_unknown",
                GIVE_ANOTHER);
    }

    /** Java does not look at the dates of a certificate that is trusted itself. */
    @Test
    void trustedItselfButExpired() throws Exception {
        Instant end = Instant.now().minusSeconds(100).truncatedTo(ChronoUnit.SECONDS);
        TestCertificates old = TestCertificates.authority("old", end.minusSeconds(1000), end);
        TlsOptions client = TlsOptions.trusting(old.writeCertificate(folder));
        TlsOptions server =
                client.withCertificate(old.writeCertificate(folder), old.writeKey(folder));
        assertRefused(
                server,
                Clock.fixed(end.minusSeconds(10), ZoneOffset.UTC),
                client,
                Reason.CERTIFICATE,
                "the server's certificate \\(CN=old, issued by CN=old\\) expired at " + end,
                "the client does not accept the server's certificate \\(CN=old, valid until "
                        + end
                        + "\\), by the alert certificate_unknown",
                GIVE_ANOTHER);
    }

    @Test
    void serverWhoseCertificateIsNotValidYet() throws Exception {
        Instant begin = Instant.now().plusSeconds(1000).truncatedTo(ChronoUnit.SECONDS);
        TestCertificates early = files.authority().issue("node0", begin, begin.plusSeconds(1000));
        assertRefused(
                files.with(early),
                Clock.fixed(begin.plusSeconds(10), ZoneOffset.UTC),
                files.client(),
                Reason.CERTIFICATE,
                "the server's certificate \\(CN=node0, issued by CN=authority\\) is valid from "
                        + begin
                        + " on, but the clock here says .*Z",
                "the client does not accept the server's certificate \\(CN=node0, .*",
                GIVE_ANOTHER);
    }

    @Test
    void clientsNeedCertificatesWhereTheyAreAskedForThem() throws Exception {
        TlsOptions server = files.with("node0").withMutual(true);
        assertOpens(server, files.with("node1"));
        String text = "the server asks for a certificate, and the client has none";
        assertRefused(server, files.client(), Reason.CERTIFICATE, text, text, GIVE_ANOTHER);
        // Only where they are asked for them.
        assertOpens(server.withMutual(false), files.client());
    }

    /** The client trusts the right authority, but is one of another. */
    @Test
    void clientWithTheCertificateOfAnotherAuthority() throws Exception {
        TlsFiles other = new TlsFiles(folder, "stranger");
        TestCertificates stranger = other.authority().issue("node1");
        TlsOptions client =
                files.client()
                        .withCertificate(
                                stranger.writeCertificate(folder), stranger.writeKey(folder));
        // A client shows no certificate of which the server says that it does not trust it.
        assertRefused(
                files.with("node0").withMutual(true),
                client,
                Reason.CERTIFICATE,
                "the server does not accept the client's certificate \\(CN=node1, .*\\), by the"
                        + " alert .*",
                "the server asks for a certificate, and the client has none",
                GIVE_ANOTHER);
    }

    @Test
    void certificateThatIsTrustedItselfDoes() throws Exception {
        TestCertificates alone = TestCertificates.authority("alone");
        TlsOptions client = TlsOptions.trusting(alone.writeCertificate(folder));
        assertOpens(
                client.withCertificate(alone.writeCertificate(folder), alone.writeKey(folder)),
                client);
    }

    @Test
    void otherTokenIsRefusedWithinTls() throws Exception {
        try (WirePeers peers = new WirePeers(files.with("node0"), NOW, token, LONG)) {
            String text =
                    "they have different job tokens, or somebody in between has a certificate that"
                            + " is trusted\\. Give all processes of the job the same"
                            + " YOLODDP_TOKEN_FILE or YOLODDP_TOKEN\\.";
            assertFailure(
                    WirePeers.connect(peers.address(), JobToken.random(), files.client()),
                    Reason.TOKEN,
                    "The handshake for 'store' with .* failed: " + text);
            assertFailure(
                    peers.failure(),
                    Reason.TOKEN,
                    "The handshake for 'store' with .* failed: " + text);
        }
    }
}
