package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What strangers send to a store changes nothing for those who belong to it. */
@Timeout(30)
class RogueClientTest {

    private static final Duration LONG = Duration.ofSeconds(10);

    private final JobToken token = JobToken.random();
    private final StoreServer server =
            StoreServer.start(
                    TcpStoreTest.loopback(0),
                    token,
                    StoreOptions.defaults()
                            .withHandshakeDeadline(Duration.ofMillis(300))
                            .withMaxConnections(16));
    private final TcpStore honest = TcpStore.connect(server.address(), token, LONG);

    @AfterEach
    void close() {
        honest.close();
        server.close();
    }

    private Socket stranger() throws IOException {
        Socket socket = new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(10_000);
        return socket;
    }

    private void assertServes() {
        assertThat(honest.add("n", 1, LONG)).isPositive();
        try (TcpStore other = TcpStore.connect(server.address(), token, LONG)) {
            assertThat(other.add("n", 1, LONG)).isPositive();
        }
    }

    private static void assertClosed(Socket socket) throws IOException {
        try {
            assertThat(socket.getInputStream().readAllBytes()).hasSizeLessThan(4096);
        } catch (SocketException e) {
            assertThat(e).hasMessage("Connection reset");
        }
    }

    @Test
    void garbageIsCutOff() throws IOException {
        try (Socket socket = stranger()) {
            socket.getOutputStream()
                    .write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            assertClosed(socket);
        }
        assertServes();
    }

    @Test
    void hugeFrameIsCutOff() throws IOException {
        try (Socket socket = stranger()) {
            socket.getOutputStream().write(new byte[] {0x7f, -1, -1, -1, 0, 0, 0, 0});
            assertClosed(socket);
        }
        assertServes();
    }

    @Test
    void smallFrameOfNonsenseIsToldSo() throws IOException {
        try (Socket socket = stranger()) {
            socket.getOutputStream().write(new byte[] {0, 0, 0, 3, 1, 2, 3});
            assertThat(new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                    .endsWith("what came is no handshake (4 bytes announced, 2 there)");
        }
        assertServes();
    }

    @Test
    void clientOfTlsIsToldSo() throws IOException {
        try (Socket socket = stranger()) {
            socket.getOutputStream().write(new byte[] {0x16, 3, 1, 2, 0, 1, 0, 1, -4, 3, 3});
            byte[] answer = socket.getInputStream().readNBytes(4 + 2 + 4 + 42);
            assertThat(answer)
                    .isEqualTo(
                            new MessageWriter()
                                    .bytes(
                                            HandshakeMachine.refusal(
                                                    HandshakeException.Reason.TLS,
                                                    "the client speaks TLS, the server does not"))
                                    .toBytes());
            // It may go on for a moment before it reads that.
            socket.getOutputStream().write(new byte[500]);
        }
        assertServes();
    }

    /** A server of TLS answers with an alert, or ends the connection. */
    @Test
    void serverOfTlsIsRecognizedAtOnce() throws Exception {
        try (ServerSocket other = new ServerSocket(0, 5, server.address().getAddress())) {
            CompletableFuture<Void> answer =
                    CompletableFuture.runAsync(
                            () -> {
                                try (Socket socket = other.accept()) {
                                    socket.getInputStream().readNBytes(50);
                                    socket.getOutputStream()
                                            .write(new byte[] {0x15, 3, 3, 0, 2, 2, 10});
                                    socket.getInputStream().readAllBytes();
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
            int port = other.getLocalPort();
            assertThatThrownBy(() -> TcpStore.connect(TcpStoreTest.loopback(port), token, LONG))
                    .isInstanceOfSatisfying(
                            HandshakeException.class,
                            e -> assertThat(e.reason()).isEqualTo(HandshakeException.Reason.TLS))
                    .hasMessage(
                            "The handshake for 'store' with 127.0.0.1:"
                                    + port
                                    + " failed: the server speaks TLS, the client does not. Set"
                                    + " YOLODDP_TLS_TRUST for all processes of the job, or for"
                                    + " none.");
            answer.get(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void silentOnesGoAtTheDeadlineAndNeverTakeAllPlaces() throws IOException {
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 40; i++) {
                silent.add(stranger());
            }
            assertServes();
            for (Socket socket : silent) {
                assertClosed(socket);
            }
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
        assertServes();
    }

    @Test
    void wrongTokenIsRefusedAndNamed() {
        assertThatThrownBy(() -> TcpStore.connect(server.address(), JobToken.random(), LONG))
                .isInstanceOf(HandshakeException.class)
                .hasMessage(
                        "The handshake for 'store' with 127.0.0.1:"
                                + server.address().getPort()
                                + " failed: they have different job tokens. Give all processes of"
                                + " the job the same YOLODDP_TOKEN_FILE or YOLODDP_TOKEN.");
        assertThatThrownBy(() -> TcpStore.connect(server.address(), JobToken.none(), LONG))
                .isInstanceOf(HandshakeException.class);
        assertServes();
    }

    /** The port is held by a program that accepts and never says a word. */
    @Test
    void portHeldByASilentStrangerIsNamedAtTheDeadline() throws IOException {
        try (ServerSocket other = new ServerSocket(0, 5, server.address().getAddress())) {
            StoreOptions options =
                    StoreOptions.defaults().withHandshakeDeadline(Duration.ofMillis(100));
            String at = "127.0.0.1:" + other.getLocalPort();
            Duration deadline = Duration.ofMillis(150);
            assertThatThrownBy(
                            () ->
                                    TcpStore.connect(
                                            TcpStoreTest.loopback(other.getLocalPort()),
                                            token,
                                            options,
                                            deadline))
                    .isInstanceOf(StoreConnectionException.class)
                    .hasMessage(
                            "No store at "
                                    + at
                                    + " within 150 ms: The handshake for 'store' with "
                                    + at
                                    + " failed: no answer within 100 ms. Another program may hold"
                                    + " this port, or the process hangs; see what it does. Start"
                                    + " the process that serves it (rank 0, or the launcher of node"
                                    + " 0), or correct MASTER_ADDR and MASTER_PORT.");
        }
    }

    @Test
    void threadCountDoesNotGrowWithStrangers() throws IOException {
        int before = Thread.activeCount();
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 10; i++) {
                silent.add(stranger());
            }
            assertServes();
            assertThat(Thread.activeCount()).isLessThanOrEqualTo(before);
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
    }
}
