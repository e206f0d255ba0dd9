package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.Random;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.rendezvous.MemoryChannel.Pipe;

/** Two ends in one thread, joined by memory. */
@Timeout(60)
class TlsWireTest {

    private static final int ROUNDS = 1_000_000;

    @TempDir private static Path folder;

    private static TlsContext server;
    private static TlsContext client;

    private final Queue<Runnable> tasks = new ArrayDeque<>();
    private final Pipe toServer = new Pipe(50_000);
    private final Pipe toClient = new Pipe(50_000);

    @BeforeAll
    static void makeCertificates() {
        TlsFiles files = new TlsFiles(folder, "authority");
        server = TlsContext.forServer(files.with("node0"), Clock.systemUTC());
        client = TlsContext.of(files.client(), Clock.systemUTC());
    }

    /** One end, with what it has to send and what it got. */
    private final class End {

        private final TlsWire wire;
        private final ByteArrayOutputStream got = new ByteArrayOutputStream();
        private final ByteBuffer chunk = ByteBuffer.allocate(5000);
        private ByteBuffer unsent = ByteBuffer.allocate(0);
        private boolean ended;

        End(MemoryChannel channel, TlsContext context, boolean isClient) throws IOException {
            // What takes long is done later, at any moment.
            wire = new TlsWire(channel, context, isClient, tasks::add, tasks::add);
            wire.start(() -> {});
        }

        void send(byte[] bytes) {
            unsent = ByteBuffer.wrap(bytes);
        }

        void move() throws IOException {
            wire.flush();
            wire.write(unsent);
            int count = wire.read(chunk.clear());
            ended |= count < 0;
            got.write(chunk.array(), 0, Math.max(0, count));
        }

        byte[] got() {
            return got.toByteArray();
        }
    }

    private End clientEnd() throws IOException {
        return new End(MemoryChannel.of(toClient, toServer), client, true);
    }

    private End serverEnd() throws IOException {
        return new End(MemoryChannel.of(toServer, toClient), server, false);
    }

    private interface Done {
        boolean isSo();
    }

    private void moveUntil(Done done, End... ends) throws IOException {
        for (int round = 0; round < ROUNDS; round++) {
            for (End end : ends) {
                end.move();
            }
            Runnable task = tasks.poll();
            if (task != null) {
                task.run();
            }
            if (done.isSo()) {
                return;
            }
        }
        throw new AssertionError("nothing goes on any more");
    }

    private static byte[] bytes(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /** However the bytes come in pieces, both sides get exactly what the other has sent. */
    @Test
    void anyPiecesGiveTheSameBytes() throws IOException {
        for (int seed = 0; seed < 60; seed++) {
            Random random = new Random(seed);
            Pipe there = new Pipe(1 + random.nextInt(40_000));
            Pipe back = new Pipe(1 + random.nextInt(40_000));
            End one = new End(MemoryChannel.of(back, there, random), client, true);
            End two = new End(MemoryChannel.of(there, back, random), server, false);
            byte[] mine = bytes(random, random.nextInt(100_000));
            byte[] theirs = bytes(random, random.nextInt(100_000));
            one.send(mine);
            two.send(theirs);
            moveUntil(
                    () -> one.got.size() >= theirs.length && two.got.size() >= mine.length,
                    one,
                    two);
            assertThat(one.got()).as("seed %d", seed).isEqualTo(theirs);
            assertThat(two.got()).as("seed %d", seed).isEqualTo(mine);
            assertThat(one.wire.binding()).isEqualTo(two.wire.binding()).hasSize(4 + 32 + 4);
        }
    }

    @Test
    void aMessageOfManyRecordsIsNotLookedAtTwice() throws IOException {
        byte[] large = bytes(new Random(1), 4 << 20);
        End one = clientEnd();
        End two = serverEnd();
        one.send(large);
        moveUntil(() -> two.got.size() == large.length, one, two);
        assertThat(two.got()).isEqualTo(large);
        // A record holds 16 KiB, and costs less than 100 bytes.
        assertThat(toServer.passed())
                .isBetween((long) large.length, large.length + 100L * (256 + 20) + 2000);
    }

    @Test
    void nothingIsSentInTheClear() throws IOException {
        byte[] secret = new byte[30_000];
        End one = clientEnd();
        one.send(secret);
        End two = serverEnd();
        byte[] seen = new byte[100];
        moveUntil(() -> two.got.size() == secret.length, one, two);
        assertThat(two.got()).contains(seen);
        // The same end writes zeros only, and no hundred of them are on the line.
        one.send(secret);
        one.move();
        ByteBuffer line = ByteBuffer.allocate(40_000);
        MemoryChannel.of(toServer, toClient).read(line);
        assertThat(line.position()).isGreaterThan(secret.length);
        int zeros = 0;
        int most = 0;
        for (int i = 0; i < line.position(); i++) {
            zeros = line.get(i) == 0 ? zeros + 1 : 0;
            most = Math.max(most, zeros);
        }
        assertThat(most).isLessThan(10);
    }

    @Test
    void leaveIsTakenByCloseNotify() throws IOException {
        End one = clientEnd();
        End two = serverEnd();
        one.send(new byte[] {7});
        moveUntil(() -> two.got.size() == 1, one, two);
        one.wire.close();
        moveUntil(() -> two.ended, two);
        assertThat(two.got()).containsExactly(7);
    }

    @Test
    void whatIsCutOffIsNotTakenForTheEnd() throws IOException {
        End one = clientEnd();
        End two = serverEnd();
        one.send(new byte[] {7});
        moveUntil(() -> two.got.size() == 1, one, two);
        toServer.end();
        assertThatThrownBy(() -> moveUntil(() -> two.ended, two))
                .isInstanceOf(IOException.class)
                .hasMessage(
                        "it ended without TLS's close_notify: the other process died, or somebody"
                                + " cut the connection");
    }

    /** Before there is anything to protect, an end is just an end: somebody may try again. */
    @Test
    void endOfTheHandshakeIsAnEnd() throws IOException {
        End two = serverEnd();
        End one = clientEnd();
        one.move();
        toServer.end();
        moveUntil(() -> two.ended, two);
        assertThat(two.got()).isEmpty();
    }

    @Test
    void changedByteEndsItOnBothSides() throws IOException {
        End one = clientEnd();
        End two = serverEnd();
        one.send(new byte[] {7});
        moveUntil(() -> two.got.size() == 1, one, two);
        toServer.spoil(20);
        one.send(new byte[100]);
        one.move();
        assertThatThrownBy(() -> moveUntil(() -> false, two))
                .isInstanceOf(WireException.class)
                .hasMessageStartingWith("TLS failed: ");
        assertThat(two.got()).containsExactly(7);
        assertThatThrownBy(() -> moveUntil(() -> false, one))
                .isInstanceOf(WireException.class)
                .hasMessage("the other side ended TLS by the alert bad_record_mac");
    }

    /** Before 1.3 TLS could be negotiated anew; an end that offers no more is refused. */
    @Test
    void olderTlsIsRefused() throws IOException {
        SSLEngine old = client.engine(true);
        old.setEnabledProtocols(new String[] {"TLSv1.2"});
        ByteBuffer hello = ByteBuffer.allocate(20_000);
        old.wrap(ByteBuffer.allocate(0), hello);
        MemoryChannel.of(toClient, toServer).write(hello.flip());
        End two = serverEnd();
        assertThatThrownBy(() -> moveUntil(() -> false, two))
                .isInstanceOfSatisfying(
                        WireException.class,
                        e -> {
                            assertThat(e.reason()).isEqualTo(Reason.GARBAGE);
                            assertThat(e.told()).isEqualTo(WireException.Told.BY_WIRE);
                        })
                .hasMessageStartingWith("TLS failed: ");
        // An alert is on its way: fatal, protocol_version.
        ByteBuffer alert = ByteBuffer.allocate(100);
        MemoryChannel.of(toClient, toServer).read(alert);
        assertThat(alert.flip().get(0)).isEqualTo((byte) 0x15);
        assertThat(alert.get(alert.limit() - 2)).isEqualTo((byte) 2);
        assertThat(alert.get(alert.limit() - 1)).isEqualTo((byte) 70);
    }

    /** Who asks for new keys and does not read gets no memory of ours, and turns no loop. */
    @Test
    void demandsForNewKeysWaitUntilTheirAnswersAreRead() throws Exception {
        End two = serverEnd();
        SSLEngine other = client.engine(true);
        ByteBuffer out = ByteBuffer.allocate(20_000);
        ByteBuffer in = ByteBuffer.allocate(60_000);
        ByteBuffer plain = ByteBuffer.allocate(20_000);
        MemoryChannel line = MemoryChannel.of(toClient, toServer);
        other.beginHandshake();
        for (int i = 0; i < 1000 && !(two.got.size() == 1); i++) {
            if (other.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING) {
                other.wrap(ByteBuffer.wrap(new byte[] {7}), out.clear());
                line.write(out.flip());
            }
            turn(other, out, in, plain, line);
            two.move();
            while (!tasks.isEmpty()) {
                tasks.remove().run();
            }
        }
        assertThat(two.got()).containsExactly(7);
        assertThat(two.wire.operations(false)).isEqualTo(SelectionKey.OP_READ);
        int asked = 0;
        while (two.wire.operations(false) != SelectionKey.OP_WRITE && asked < 5000) {
            other.beginHandshake(); // in TLS 1.3 a demand for new keys
            other.wrap(ByteBuffer.allocate(0), out.clear());
            line.write(out.flip());
            two.move();
            asked++;
        }
        assertThat(asked).isBetween(100, 4999);
        assertThat(two.wire.isHeld()).isTrue();
        // It takes no more of them, however many there are.
        long taken = toServer.passed();
        two.move();
        assertThat(toServer.passed()).isEqualTo(taken);
        // Once the answers are read, it goes on.
        two.send(new byte[] {8});
        for (int i = 0; i < 20_000 && plain.position() == 0; i++) {
            turn(other, out, in, plain, line);
            two.move();
        }
        assertThat(plain.position()).isEqualTo(1);
        assertThat(plain.get(0)).isEqualTo((byte) 8);
    }

    private static void turn(
            SSLEngine engine, ByteBuffer out, ByteBuffer in, ByteBuffer plain, MemoryChannel line)
            throws IOException {
        switch (engine.getHandshakeStatus()) {
            case NEED_TASK -> engine.getDelegatedTask().run();
            case NEED_WRAP -> {
                engine.wrap(ByteBuffer.allocate(0), out.clear());
                line.write(out.flip());
            }
            default -> {
                line.read(in);
                engine.unwrap(in.flip(), plain);
                in.compact();
            }
        }
    }

    @Test
    void whatIsNoTlsIsNamed() throws IOException {
        MemoryChannel.of(toClient, toServer)
                .write(ByteBuffer.wrap("GET / HTTP/1.1\r\n".getBytes("US-ASCII")));
        End two = serverEnd();
        assertThatThrownBy(() -> moveUntil(() -> false, two))
                .isInstanceOfSatisfying(
                        WireException.class, e -> assertThat(e.reason()).isEqualTo(Reason.GARBAGE))
                .hasMessage("what came is no TLS (it begins with the byte 47)");
    }
}
