package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.testing.Tap;
import org.yoloddp.testing.TestCertificates;

/** A store and its failure channels over TLS, and what those see and can do who are in between. */
@Timeout(60)
class TlsStoreTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final String SECRET = "the learning rate is a secret of ours";

    /** A proof, as it follows on its frame's length and its kind: its own length, of 32 bytes. */
    private static final String PROOF = "\0\0\0\u0025\3\0\0\0\u0020";

    @TempDir private Path folder;

    private final JobToken token = JobToken.random();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private TlsFiles files;
    private TestCertificates node;

    @BeforeEach
    void makeCertificates() {
        files = new TlsFiles(folder, "authority");
        node = files.authority().issue("node0");
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable one : opened) {
            one.close();
        }
    }

    private StoreServer serve(TlsOptions tls) {
        StoreServer server =
                StoreServer.start(
                        TcpStoreTest.loopback(0), token, StoreOptions.defaults().withTls(tls));
        opened.add(server);
        return server;
    }

    private TcpStore connect(InetSocketAddress address, TlsOptions tls, int rank) {
        TcpStore store =
                TcpStore.connect(
                        address, token, StoreOptions.defaults().withTls(tls).withRank(rank), LONG);
        opened.add(0, store);
        return store;
    }

    @Test
    void valuesOfAllSizesPass() {
        StoreServer server = serve(files.with(node));
        TcpStore one = connect(server.address(), files.client(), -1);
        TcpStore two = connect(server.address(), files.client(), -1);
        assertThat(server.toString()).endsWith("', TLS]");
        assertThat(one.toString()).endsWith("', TLS]");
        for (int length : new int[] {0, 1, 16_383, 16_384, 16_385, 3 << 20}) {
            byte[] value = new byte[length];
            new Random(length).nextBytes(value);
            one.set("n" + length, value, LONG);
            assertThat(two.get("n" + length, LONG)).isEqualTo(value);
        }
    }

    @Test
    void waitsAndManyCallsAtOncePass() throws Exception {
        StoreServer server = serve(files.with(node));
        TcpStore one = connect(server.address(), files.client(), -1);
        TcpStore two = connect(server.address(), files.client(), -1);
        CompletableFuture<byte[]> waiting =
                CompletableFuture.supplyAsync(() -> two.get("late", LONG));
        IntStream.range(0, 400).parallel().forEach(i -> (i % 2 == 0 ? one : two).add("n", 1, LONG));
        assertThat(one.add("n", 0, LONG)).isEqualTo(400);
        one.set("late", new byte[] {5}, LONG);
        assertThat(waiting.get(10, TimeUnit.SECONDS)).containsExactly(5);
    }

    @Test
    void failureOfARankIsToldToTheOthers() throws Exception {
        StoreServer server = serve(files.with(node));
        TcpStore one = connect(server.address(), files.client(), 0);
        TcpStore two = connect(server.address(), files.client(), 1);
        CompletableFuture<Throwable> told = new CompletableFuture<>();
        one.failureChannel(LONG).onFailure(told::complete);
        two.failureChannel(LONG).report(new IllegalStateException("no disk"));
        assertThat(told.get(10, TimeUnit.SECONDS)).hasMessageContaining("no disk");
    }

    @Test
    void filesThatAreWrittenAnewCountForTheNextConnection() throws IOException {
        Path trust = folder.resolve("server.crt");
        Path key = folder.resolve("server.key");
        TestCertificates first = TestCertificates.authority("first");
        TestCertificates second = TestCertificates.authority("second");
        TlsOptions trustsFirst = TlsOptions.trusting(first.writeCertificate(folder));
        TlsOptions trustsSecond = TlsOptions.trusting(second.writeCertificate(folder));
        replace(trust, first.writeCertificate(folder), 1);
        replace(key, first.writeKey(folder), 1);
        StoreServer server = serve(TlsOptions.trusting(trust).withCertificate(trust, key));
        TcpStore before = connect(server.address(), trustsFirst, -1);
        assertThatThrownBy(() -> connect(server.address(), trustsSecond, -1))
                .isInstanceOf(HandshakeException.class);
        // A certificate without its key is not used yet.
        replace(trust, second.writeCertificate(folder), 2);
        connect(server.address(), trustsFirst, -1).set("kept", new byte[] {1}, LONG);
        replace(key, second.writeKey(folder), 2);
        assertThat(connect(server.address(), trustsSecond, -1).get("kept", LONG))
                .containsExactly(1);
        assertThatThrownBy(() -> connect(server.address(), trustsFirst, -1))
                .isInstanceOf(HandshakeException.class);
        assertThat(before.get("kept", LONG)).containsExactly(1);
    }

    private static void replace(Path file, Path by, int second) throws IOException {
        Files.copy(by, file, StandardCopyOption.REPLACE_EXISTING);
        Files.setLastModifiedTime(file, FileTime.from(second, TimeUnit.SECONDS));
    }

    @Test
    void whoListensSeesNeitherProofsNorValues() throws Exception {
        String plain = conversation(TlsOptions.off(), TlsOptions.off());
        assertThat(plain).contains(PROOF, "YDDP", SECRET, "where ranks meet");
        String encrypted = conversation(files.with(node), files.client());
        assertThat(encrypted)
                .hasSizeGreaterThan(plain.length())
                .doesNotContain(PROOF)
                .doesNotContain("YDDP")
                .doesNotContain(SECRET)
                .doesNotContain("where ranks meet")
                .doesNotContain(token.secret());
    }

    private String conversation(TlsOptions server, TlsOptions client) throws IOException {
        try (Tap tap = Tap.on(serve(server).address())) {
            TcpStore store = connect(tap.address(), client, -1);
            store.set("where ranks meet", SECRET.getBytes(StandardCharsets.US_ASCII), LONG);
            assertThat(store.get("where ranks meet", LONG)).hasSize(SECRET.length());
            store.close();
            return tap.seen();
        }
    }

    /** A context of those in between, who trust everything that the authority has issued. */
    private SSLContext between(TestCertificates own) throws Exception {
        char[] none = {};
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(null, none);
        keys.setKeyEntry(
                "own",
                own.pair().getPrivate(),
                none,
                PemFiles.certificates(own.writeCertificate(folder), "")
                        .toArray(new Certificate[0]));
        keys.setCertificateEntry("authority", PemFiles.certificates(files.trust(), "").get(0));
        KeyManagerFactory mine =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        mine.init(keys, none);
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(keys);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(mine.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    @Test
    void whoIsInBetweenWithATrustedCertificateCannotPassTheProofOn() throws Exception {
        StoreServer server = serve(files.with(node));
        TestCertificates other = files.authority().issue("node1");
        try (Tap tap = Tap.between(server.address(), between(other))) {
            assertThatThrownBy(() -> connect(tap.address(), files.client(), -1))
                    .isInstanceOf(HandshakeException.class)
                    .hasMessage(
                            "The handshake for 'store' with 127.0.0.1:"
                                    + tap.address().getPort()
                                    + " failed: they have different job tokens, or somebody in"
                                    + " between has a certificate that is trusted. Give all"
                                    + " processes of the job the same YOLODDP_TOKEN_FILE or"
                                    + " YOLODDP_TOKEN.");
            // It had come as far as the server's proof.
            assertThat(tap.seen()).contains("YDDP");
        }
        // With the server's own certificate it could: it is the certificate that is proven.
        try (Tap tap = Tap.between(server.address(), between(node))) {
            TcpStore store = connect(tap.address(), files.client(), -1);
            store.set("key", SECRET.getBytes(StandardCharsets.US_ASCII), LONG);
            assertThat(tap.seen()).contains(SECRET);
        }
    }

    @Test
    void whoIsInBetweenWithAnUnknownCertificateIsNotSpokenTo() throws Exception {
        StoreServer server = serve(files.with(node));
        TestCertificates stranger = TestCertificates.authority("stranger");
        try (Tap tap = Tap.between(server.address(), between(stranger))) {
            assertThatThrownBy(() -> connect(tap.address(), files.client(), -1))
                    .isInstanceOfSatisfying(
                            HandshakeException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.CERTIFICATE));
            assertThat(tap.seen()).isEmpty();
        }
    }

    /** Those who never end their handshake go at its deadline, and cost no time until then. */
    @Test
    void halfAHandshakeCostsNothingAndGoesAtTheDeadline() throws Exception {
        StoreServer server =
                StoreServer.start(
                        TcpStoreTest.loopback(0),
                        token,
                        StoreOptions.defaults()
                                .withTls(files.with(node))
                                .withHandshakeDeadline(Duration.ofMillis(900)));
        opened.add(server);
        try (Socket silent = new Socket();
                Socket half = new Socket()) {
            silent.connect(server.address());
            half.connect(server.address());
            half.getOutputStream().write(new byte[] {0x16, 3, 1, 2, 0, 1, 0});
            long before = loopNanos();
            assertThat(new CountDownLatch(1).await(500, TimeUnit.MILLISECONDS)).isFalse();
            assertThat(loopNanos() - before).isLessThan(Duration.ofMillis(100).toNanos());
            for (Socket socket : List.of(silent, half)) {
                socket.setSoTimeout(10_000);
                assertThat(socket.getInputStream().readAllBytes()).hasSizeLessThan(100);
            }
        }
        assertThat(connect(server.address(), files.client(), -1).add("n", 1, LONG)).isEqualTo(1);
    }

    private static long loopNanos() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long sum = 0;
        for (long id : threads.getAllThreadIds()) {
            ThreadInfo info = threads.getThreadInfo(id);
            if (info != null && info.getThreadName().startsWith("yolo-ddp-store")) {
                sum += Math.max(0, threads.getThreadCpuTime(id));
            }
        }
        return sum;
    }
}
