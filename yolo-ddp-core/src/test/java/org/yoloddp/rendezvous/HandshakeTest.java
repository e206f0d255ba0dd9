package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.rendezvous.HandshakeException.Reason;

@Timeout(30)
class HandshakeTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Duration SHORT = Duration.ofMillis(100);

    private final JobToken token = JobToken.random();
    private ServerSocketChannel listening;
    private SocketChannel client;
    private SocketChannel server;

    @BeforeEach
    void connect() throws IOException {
        listening = ServerSocketChannel.open();
        listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        open();
    }

    private void open() throws IOException {
        client = SocketChannel.open(listening.getLocalAddress());
        server = listening.accept();
    }

    @AfterEach
    void close() throws IOException {
        listening.close();
        client.close();
        server.close();
    }

    private static Hello hello(String job, int generation, int rank) {
        return Hello.of("data", job, generation, rank);
    }

    private CompletableFuture<Hello> answer(
            JobToken serverToken, Hello mine, Function<Hello, Optional<String>> admission) {
        return CompletableFuture.supplyAsync(
                () -> Handshake.server(server, serverToken, mine, admission, LONG));
    }

    private void assertRefused(
            JobToken clientToken,
            Hello mine,
            Function<Hello, Optional<String>> admission,
            Reason reason,
            String text)
            throws IOException {
        String atServer = Texts.address(server.getRemoteAddress());
        String atClient = Texts.address(client.getRemoteAddress());
        CompletableFuture<Hello> answer = answer(token, hello("job", 1, 0), admission);
        assertThatThrownBy(() -> Handshake.client(client, clientToken, mine, LONG))
                .isInstanceOfSatisfying(
                        HandshakeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessage(
                        "The handshake for '"
                                + mine.purpose()
                                + "' with "
                                + atClient
                                + " failed: "
                                + text);
        assertThatThrownBy(() -> answer.get(10, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        HandshakeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessage("The handshake for 'data' with " + atServer + " failed: " + text);
        assertThat(client.isOpen()).isFalse();
        assertThat(server.isOpen()).isFalse();
    }

    @Test
    void bothSidesLearnWhoTheOtherIs() throws Exception {
        client.configureBlocking(false);
        CompletableFuture<Hello> answer =
                answer(token, hello("job", 1, 0), other -> Optional.empty());
        assertThat(Handshake.client(client, token, hello("job", 1, 3), LONG))
                .isEqualTo(hello("job", 1, 0));
        assertThat(answer.get(10, TimeUnit.SECONDS)).isEqualTo(hello("job", 1, 3));
        assertThat(client.isBlocking()).isFalse();
        assertThat(server.isBlocking()).isTrue();
        // Not a byte of the data that follows is lost.
        client.write(StandardCharsets.US_ASCII.encode("data"));
        ByteBuffer read = ByteBuffer.allocate(4);
        while (read.hasRemaining()) {
            server.read(read);
        }
        assertThat(read.array()).isEqualTo("data".getBytes(StandardCharsets.US_ASCII));
    }

    @Test
    void otherTokenIsRefused() throws Exception {
        assertRefused(
                JobToken.random(),
                hello("job", 1, 3),
                other -> Optional.empty(),
                Reason.TOKEN,
                "they have different job tokens. Give all processes of the job the same"
                        + " YOLODDP_TOKEN_FILE or YOLODDP_TOKEN.");
    }

    @Test
    void otherJobIsRefused() throws Exception {
        assertRefused(
                token,
                hello("other", 1, 3),
                other -> Optional.empty(),
                Reason.JOB,
                "the client is of job 'other', the other side of another one. Give each job an"
                        + " address and a port of its own.");
    }

    @Test
    void formerGenerationIsRefused() throws Exception {
        Hello late = hello("job", 0, 3);
        assertRefused(
                token,
                late,
                other -> Optional.empty(),
                Reason.GENERATION,
                late.describe()
                        + " is of generation 0, "
                        + hello("job", 1, 0).describe()
                        + " of generation 1. End the process that is left over from before the"
                        + " restart.");
    }

    @Test
    void otherVersionIsRefused() throws Exception {
        Hello mine = hello("job", 1, 3);
        Hello other = new Hello("data", "job", 1, 3, "0.0.1", mine.host(), mine.pid());
        assertRefused(
                token,
                other,
                x -> Optional.empty(),
                Reason.VERSION,
                mine.describe()
                        + " has version 0.0.1, "
                        + hello("job", 1, 0).describe()
                        + " has version "
                        + mine.version()
                        + ". Install the same version of yolo-ddp on all nodes.");
    }

    @Test
    void otherPurposeIsRefused() throws Exception {
        assertRefused(
                token,
                Hello.of("store", "job", 1, 3),
                other -> Optional.empty(),
                Reason.PURPOSE,
                "the client is there for 'store', the other side for 'data'. Correct the address"
                        + " and the port.");
    }

    @Test
    void whoIsNotAdmittedIsToldWhy() throws Exception {
        assertRefused(
                token,
                hello("job", 1, 3),
                other -> Optional.of("rank " + other.rank() + " is not expected"),
                Reason.ADMISSION,
                "rank 3 is not expected. Start each rank once.");
    }

    @Test
    void silentStrangerIsLeftAtTheDeadline() {
        String peer = "127.0.0.1:" + listening.socket().getLocalPort();
        assertThatThrownBy(() -> Handshake.client(client, token, hello("job", 1, 3), SHORT))
                .isInstanceOf(HandshakeException.class)
                .hasMessage(
                        "The handshake for 'data' with "
                                + peer
                                + " failed: no answer within 100 ms. Another program may hold this"
                                + " port, or the process hangs; see what it does.");
        assertThatThrownBy(
                        () ->
                                Handshake.server(
                                        server,
                                        token,
                                        hello("job", 1, 0),
                                        other -> Optional.empty(),
                                        SHORT))
                .isInstanceOf(HandshakeException.class);
    }

    @Test
    void garbageAndHugeFramesAreRefusedBeforeAnythingIsAllocated() throws Exception {
        String peer = Texts.address(server.getRemoteAddress());
        client.write(StandardCharsets.US_ASCII.encode("GET / HTTP/1.1\r\n\r\n"));
        assertThatThrownBy(
                        () ->
                                Handshake.server(
                                        server,
                                        token,
                                        hello("job", 1, 0),
                                        other -> Optional.empty(),
                                        LONG))
                .isInstanceOf(HandshakeException.class)
                .hasMessage(
                        "The handshake for 'data' with "
                                + peer
                                + " failed: what came is no handshake (a message of 1195725856"
                                + " bytes). Another program may use this port; choose another"
                                + " one.");
        assertThat(server.isOpen()).isFalse();
    }

    @Test
    void listLongerThanItsMessageIsRefused() throws Exception {
        byte[] frame =
                new MessageWriter()
                        .int8(1)
                        .int32(0x59444450)
                        .int32(1)
                        .raw(new byte[32])
                        .int32(Integer.MAX_VALUE)
                        .toBytes();
        client.write(ByteBuffer.wrap(new MessageWriter().bytes(frame).toBytes()));
        assertThatThrownBy(
                        () ->
                                Handshake.server(
                                        server,
                                        token,
                                        hello("job", 1, 0),
                                        other -> Optional.empty(),
                                        LONG))
                .isInstanceOf(HandshakeException.class)
                .hasMessageContaining(
                        "what came is no handshake (2147483647 bytes announced, 0 there)");
    }

    /** Records what an honest client sends, then sends it again. */
    @Test
    void replayIsRefused() throws Exception {
        byte[] recorded = record();
        client.write(ByteBuffer.wrap(recorded));
        assertThatThrownBy(
                        () ->
                                Handshake.server(
                                        server,
                                        token,
                                        hello("job", 1, 0),
                                        other -> Optional.empty(),
                                        LONG))
                .isInstanceOfSatisfying(
                        HandshakeException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.TOKEN));
    }

    /** Relays an honest handshake, and returns what the client sent in it. */
    private byte[] record() throws Exception {
        try (ServerSocketChannel relay = ServerSocketChannel.open()) {
            relay.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            try (SocketChannel honest = SocketChannel.open(relay.getLocalAddress());
                    SocketChannel middle = relay.accept()) {
                CompletableFuture<Hello> answer =
                        answer(token, hello("job", 1, 0), other -> Optional.empty());
                CompletableFuture<Hello> greeting =
                        CompletableFuture.supplyAsync(
                                () -> Handshake.client(honest, token, hello("job", 1, 3), LONG));
                ByteArrayOutputStream sent = new ByteArrayOutputStream();
                sent.writeBytes(relay(middle, client));
                relay(client, middle);
                sent.writeBytes(relay(middle, client));
                relay(client, middle);
                answer.get(10, TimeUnit.SECONDS);
                greeting.get(10, TimeUnit.SECONDS);
                client.close();
                server.close();
                open();
                return sent.toByteArray();
            }
        }
    }

    /** Passes one message on. */
    private static byte[] relay(SocketChannel from, SocketChannel to) throws IOException {
        ByteBuffer head = ByteBuffer.allocate(4);
        readAll(from, head);
        ByteBuffer whole = ByteBuffer.allocate(4 + head.getInt(0)).put(head.flip());
        readAll(from, whole);
        to.write(whole.flip());
        return whole.array();
    }

    private static void readAll(SocketChannel from, ByteBuffer target) throws IOException {
        while (target.hasRemaining()) {
            if (from.read(target) < 0) {
                throw new IOException("closed");
            }
        }
    }

    /** A proof of one role is none of the other. */
    @Test
    void proofsCannotBeReflected() {
        byte[] part = {1};
        assertThat(token.prove("server", part)).isNotEqualTo(token.prove("client", part));
        assertThat(token.prove("server", part)).isEqualTo(token.prove("server", part));
        assertThat(token.prove("server", new byte[] {1, 2}, new byte[] {}))
                .isNotEqualTo(token.prove("server", new byte[] {1}, new byte[] {2}));
    }
}
