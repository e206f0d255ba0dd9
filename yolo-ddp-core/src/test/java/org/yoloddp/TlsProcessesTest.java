package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.launch.NodeRange;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.rendezvous.TlsOptions;
import org.yoloddp.testing.Tap;
import org.yoloddp.testing.TestCertificates;

/** Trainings whose store is served by TLS, by real processes. */
@Tag("torch")
@Tag("process")
@Timeout(100)
class TlsProcessesTest {

    private static final long SEED = 5;
    private static final int EPOCHS = 2;

    /** A proof, as it follows on its frame's length and its kind: its own length, of 32 bytes. */
    private static final String PROOF = "\0\0\0\u0025\3\0\0\0\u0020";

    @TempDir private Path folder;

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();
    private TlsOptions client;
    private TlsOptions server;

    @BeforeEach
    void makeCertificates() {
        TestCertificates authority = TestCertificates.authority("authority");
        TestCertificates node = authority.issue("node0");
        client = TlsOptions.trusting(authority.writeCertificate(folder));
        server = client.withCertificate(node.writeCertificate(folder), node.writeKey(folder));
    }

    /**
     * Two launchers with a rank each; only that of node 0 has a certificate. Somebody listens on
     * the line to the other.
     */
    @Test
    void launchedRanksTrainToTheSameBitsAndNobodyCanReadAlong() throws Exception {
        List<String> threads =
                HashedTraining.hashes(World.threads(2), SEED, EPOCHS, folder.resolve("steps"));
        String plain = train("plain", TlsOptions.off(), TlsOptions.off(), threads);
        assertThat(console()).doesNotContain(", TLS]");
        // Greetings, proofs, what ranks compare of their libraries.
        assertThat(plain).contains("YDDP", PROOF, "libtorch");
        String encrypted = train("encrypted", server, client, threads);
        assertThat(encrypted)
                .hasSizeGreaterThan(plain.length() / 2)
                .doesNotContain("YDDP")
                .doesNotContain(PROOF)
                .doesNotContain("libtorch");
        assertThat(console()).contains(", TLS]").doesNotContain(keyLine());
        // Another start has other bits.
        assertThat(
                        HashedTraining.hashes(
                                World.threads(2), SEED + 1, EPOCHS, folder.resolve("steps")))
                .isNotEqualTo(threads);
    }

    /** Trains, and returns what was on the line between the nodes. */
    private String train(String name, TlsOptions zero, TlsOptions one, List<String> expected)
            throws Exception {
        Path results = Files.createDirectory(folder.resolve(name));
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        try (Tap tap = Tap.on(new InetSocketAddress(InetAddress.getLoopbackAddress(), port))) {
            CompletableFuture<LaunchReport> first = start(node(results, 0, port).optTls(zero));
            if (zero.isOn()) {
                // Whoever does not speak TLS is told so, and changes nothing for the others.
                assertThatThrownBy(() -> join(port))
                        .isInstanceOfSatisfying(
                                HandshakeException.class,
                                e -> assertThat(e.reason()).isEqualTo(Reason.TLS));
            } else {
                join(port);
            }
            CompletableFuture<LaunchReport> second =
                    start(node(results, 1, tap.address().getPort()).optTls(one));
            for (CompletableFuture<LaunchReport> launch : List.of(first, second)) {
                assertThat(launch.get(45, TimeUnit.SECONDS).outcome())
                        .as(console())
                        .isEqualTo(Outcome.DONE);
            }
            for (int rank = 0; rank < 2; rank++) {
                assertThat(results.resolve("hashes." + rank))
                        .content()
                        .isEqualTo(expected.toString());
            }
            return tap.seen();
        }
    }

    private static CompletableFuture<LaunchReport> start(LauncherBuilder node) {
        Launcher launcher = node.build();
        return CompletableFuture.supplyAsync(launcher::run);
    }

    /** Connects without TLS; the server may start later. */
    private static void join(int port) {
        TcpStore.connect(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                        JobToken.none(),
                        Duration.ofSeconds(20))
                .close();
    }

    private LauncherBuilder node(Path results, int node, int port) {
        return Launcher.builder()
                .setCommand(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        HashedTraining.class.getName(),
                        results.toString(),
                        Long.toString(SEED),
                        Integer.toString(EPOCHS))
                .optNodes(NodeRange.of(2))
                .optNodeRank(node)
                .optMasterPort(port)
                .optConsole(console, console);
    }

    private String keyLine() throws IOException {
        return Files.readAllLines(folder.resolve("node0.key")).get(1).substring(0, 16);
    }

    private String console() {
        return console.toString(StandardCharsets.UTF_8);
    }
}
