package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.testing.TestCertificates;

/** Against a double of torchrun's store that follows the bytes seen on the wire. */
@Timeout(60)
class TorchStoreTest {

    private static final Duration SHORT = Duration.ofMillis(300);
    private static final Duration LONG = Duration.ofSeconds(20);

    /** What the double does with a connection. */
    private interface Service {
        void serve(DataInputStream in, OutputStream out) throws IOException;
    }

    private final Map<String, byte[]> values = new ConcurrentHashMap<>();
    private ServerSocket server;

    @BeforeEach
    void listen() throws IOException {
        server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    }

    @AfterEach
    void close() throws IOException {
        server.close();
    }

    @Test
    void setHasTheBytesThatPyTorchSends() throws Exception {
        CompletableFuture<byte[]> seen = new CompletableFuture<>();
        serve(
                (in, out) -> {
                    byte[] greeting = in.readNBytes(10);
                    out.write(greeting, 6, 4);
                    seen.complete(in.readNBytes(21));
                });
        try (TorchStoreClient client = connect()) {
            client.set("/k", "vv");
            assertThat(HexFormat.of().formatHex(seen.get(10, TimeUnit.SECONDS)))
                    .isEqualTo("01" + "0200000000000000" + "2f6b" + "0200000000000000" + "7676");
        }
    }

    @Test
    void ranksAgreeThroughTheStore() throws Exception {
        serve(this::tcpStore);
        CompletableFuture<TorchrunAgreement> second =
                CompletableFuture.supplyAsync(
                        () -> TorchrunAgreement.reach(environment(1, 0), LONG));
        try (TorchrunAgreement first = TorchrunAgreement.reach(environment(0, 0), LONG);
                TorchrunAgreement other = second.get(20, TimeUnit.SECONDS)) {
            assertThat(other.address()).isEqualTo(first.address());
            assertThat(other.token().secret()).isEqualTo(first.token().secret()).hasSize(43);
            assertThat(values).containsOnlyKeys("/yoloddp/run/0/endpoint");
            try (TcpStore store =
                    TcpStore.connect(other.address(), other.token(), other.options(), LONG)) {
                assertThat(store.add("there", 1, LONG)).isEqualTo(1);
            }
        }
    }

    /** Each rank has the variables of TLS by itself; one that has not is told at once. */
    @Test
    void ranksSpeakTlsIfTheirEnvironmentSaysSo(@TempDir Path folder) throws Exception {
        serve(this::tcpStore);
        TestCertificates own = TestCertificates.authority("job");
        Map<String, String> zero = environment(0, 0);
        zero.put("YOLODDP_TLS_TRUST", own.writeCertificate(folder).toString());
        zero.put("YOLODDP_TLS_CERTIFICATE", own.writeCertificate(folder).toString());
        zero.put("YOLODDP_TLS_KEY", own.writeKey(folder).toString());
        Map<String, String> one = environment(1, 0);
        one.put("YOLODDP_TLS_TRUST", own.writeCertificate(folder).toString());
        try (TorchrunAgreement first = TorchrunAgreement.reach(zero, LONG);
                TorchrunAgreement other = TorchrunAgreement.reach(one, LONG);
                TcpStore store =
                        TcpStore.connect(other.address(), other.token(), other.options(), LONG)) {
            assertThat(other.options().tls().isOn()).isTrue();
            assertThat(store.add("there", 1, LONG)).isEqualTo(1);
            String at = "127.0.0.1:" + first.address().getPort();
            assertThatThrownBy(() -> TorchrunAgreement.reach(environment(1, 0), LONG))
                    .isInstanceOf(HandshakeException.class)
                    .hasMessage(
                            "The handshake for 'store' with "
                                    + at
                                    + " failed: the server speaks TLS, the client does not. Set"
                                    + " YOLODDP_TLS_TRUST for all processes of the job, or for"
                                    + " none.");
        }
    }

    @Test
    void endpointOfBeforeIsNotTaken() throws Exception {
        serve(this::tcpStore);
        TorchrunAgreement.reach(environment(0, 0), LONG).close();
        byte[] stale = values.get("/yoloddp/run/0/endpoint");
        CompletableFuture<TorchrunAgreement> second =
                CompletableFuture.supplyAsync(
                        () -> TorchrunAgreement.reach(environment(1, 0), LONG));
        try (TorchrunAgreement first = TorchrunAgreement.reach(environment(0, 0), LONG)) {
            assertThat(second.get(20, TimeUnit.SECONDS).address()).isEqualTo(first.address());
            assertThat(values.get("/yoloddp/run/0/endpoint")).isNotEqualTo(stale);
        }
    }

    @Test
    void rankZeroThatSaysNothingIsWaitedForInVain() {
        serve(this::tcpStore);
        values.put(
                "/yoloddp/run/0/endpoint", "of another restart".getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> TorchrunAgreement.reach(environment(1, 1), SHORT))
                .isInstanceOf(TorchStoreException.class)
                .hasMessage(
                        "rank 0 has not written /yoloddp/run/1/endpoint into torchrun's store at"
                                + " 127.0.0.1:"
                                + server.getLocalPort()
                                + " within 300 ms; see what keeps rank 0, or raise the deadline");
    }

    @Test
    void storeOfAnotherVersionIsNamed() {
        serve((in, out) -> in.readNBytes(5)); // hangs up for the magic number
        refused("it hangs up at the greeting");
    }

    @Test
    void otherServerIsNamed() {
        serve(
                (in, out) -> {
                    out.write(
                            "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                    in.readNBytes(20);
                });
        refused("it answers a ping with 50545448");
    }

    @Test
    void silentServerDoesNotHoldUsUp() {
        serve((in, out) -> in.readNBytes(1000));
        refused("it does not answer a ping");
    }

    @Test
    void missingServerIsNamed() throws IOException {
        server.close();
        assertThatThrownBy(() -> TorchrunAgreement.reach(environment(0, 0), SHORT))
                .isInstanceOf(TorchStoreException.class)
                .hasMessage(
                        "torchrun's store at 127.0.0.1:"
                                + server.getLocalPort()
                                + " (MASTER_ADDR, MASTER_PORT) cannot be reached:"
                                + " java.net.ConnectException: Connection refused; check that"
                                + " torchrun still runs on node 0; or let the ranks meet without"
                                + " it: --rdzv-endpoint HOST:PORT, with the same YOLODDP_TOKEN_FILE"
                                + " on all nodes");
    }

    @Test
    void environmentThatIsNotTorchrunsIsNamed() {
        Map<String, String> environment = environment(0, 0);
        environment.put("RANK", "first");
        assertThat(TorchrunAgreement.applies(environment)).isTrue();
        assertThat(TorchrunAgreement.applies(Map.of("TORCHELASTIC_USE_AGENT_STORE", "False")))
                .isFalse();
        assertThatThrownBy(() -> TorchrunAgreement.reach(environment, SHORT))
                .isInstanceOf(TorchStoreException.class)
                .hasMessage(
                        "TORCHELASTIC_USE_AGENT_STORE is True, but RANK is not what torchrun sets;"
                                + " unset it, or start the ranks by torchrun");
    }

    private void refused(String found) {
        assertThatThrownBy(() -> TorchrunAgreement.reach(environment(0, 0), SHORT))
                .isInstanceOf(TorchStoreException.class)
                .hasMessage(
                        "what listens at 127.0.0.1:"
                                + server.getLocalPort()
                                + " (MASTER_ADDR, MASTER_PORT) is no TCPStore as PyTorch 2.7 has"
                                + " it, with the magic number 3c85f7ce: "
                                + found
                                + "; use torchrun of PyTorch 2.7; or let the ranks meet without it:"
                                + " --rdzv-endpoint HOST:PORT, with the same YOLODDP_TOKEN_FILE on"
                                + " all nodes");
    }

    private TorchStoreClient connect() {
        return TorchStoreClient.connect("127.0.0.1", server.getLocalPort(), LONG);
    }

    private Map<String, String> environment(int rank, int restarts) {
        return new HashMap<>(
                Map.of(
                        "MASTER_ADDR", "127.0.0.1",
                        "MASTER_PORT", Integer.toString(server.getLocalPort()),
                        "RANK", Integer.toString(rank),
                        "WORLD_SIZE", "2",
                        "TORCHELASTIC_RUN_ID", "run",
                        "TORCHELASTIC_RESTART_COUNT", Integer.toString(restarts),
                        "TORCHELASTIC_USE_AGENT_STORE", "True"));
    }

    private void serve(Service service) {
        start(
                () -> {
                    while (!server.isClosed()) {
                        Socket socket = server.accept();
                        start(
                                () -> {
                                    try (socket) {
                                        service.serve(
                                                new DataInputStream(socket.getInputStream()),
                                                socket.getOutputStream());
                                    }
                                });
                    }
                });
    }

    private interface Loop {
        void run() throws IOException;
    }

    private static void start(Loop loop) {
        Thread thread =
                new Thread(
                        () -> {
                            try {
                                loop.run();
                            } catch (IOException e) {
                                // the test is over
                            }
                        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Hello, ping, set, check and get, as PyTorch's own server answers them. */
    private void tcpStore(DataInputStream in, OutputStream out) throws IOException {
        while (true) {
            switch (in.readUnsignedByte()) {
                case 0x00 -> assertThat(in.readNBytes(4)).asHexString().isEqualTo("CEF7853C");
                case 0x0d -> out.write(in.readNBytes(4));
                case 0x01 -> values.put(text(in), bytes(in));
                case 0x05 -> {
                    assertThat(Long.reverseBytes(in.readLong())).isEqualTo(1);
                    out.write(values.containsKey(text(in)) ? 0 : 1);
                }
                case 0x03 -> {
                    byte[] value = values.get(text(in));
                    byte[] length = new byte[8];
                    length[0] = (byte) value.length;
                    out.write(length);
                    out.write(value);
                }
                default -> throw new IOException("unknown operation");
            }
        }
    }

    private static String text(DataInputStream in) throws IOException {
        return new String(bytes(in), StandardCharsets.UTF_8);
    }

    private static byte[] bytes(DataInputStream in) throws IOException {
        return in.readNBytes((int) Long.reverseBytes(in.readLong()));
    }
}
