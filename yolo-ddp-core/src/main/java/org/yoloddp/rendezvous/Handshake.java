package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.yoloddp.rendezvous.HandshakeException.Reason;

/**
 * Proves over a connection that both sides know the job's token and agree on job, purpose, restart
 * generation and version, before anything else is sent. A challenge with a fresh nonce of each
 * side, answered by HMAC-SHA256 over both nonces and both greetings: what was recorded cannot be
 * replayed. It does not hide or sign what follows; that is what TLS is for.
 *
 * <p>After a failure the channel is closed; the other side has been told the reason. Lengths are
 * checked before anything is allocated, at most 4 KiB. The channel's blocking mode is left as it
 * was. Stateless and thread-safe.
 */
public final class Handshake {

    private Handshake() {}

    /**
     * Opens a connection that was made to somebody else.
     *
     * @param channel the connected channel, registered with no selector
     * @param token the job's token
     * @param mine who this is
     * @param deadline how long it may take
     * @return who the other side is
     * @throws HandshakeException if the two do not agree, or the other side does not answer in time
     */
    public static Hello client(
            SocketChannel channel, JobToken token, Hello mine, Duration deadline) {
        return run(channel, HandshakeMachine.client(token, mine, address(channel)), deadline);
    }

    /**
     * Answers a connection that somebody else made.
     *
     * @param channel the accepted channel, registered with no selector
     * @param token the job's token
     * @param mine who this is
     * @param admission says why a client is not taken, in a sentence that both sides are told;
     *     empty if it is welcome. Asked only once the client has proved that it knows the token
     * @param deadline how long it may take
     * @return who the other side is
     * @throws HandshakeException if the two do not agree, or the other side does not answer in time
     */
    public static Hello server(
            SocketChannel channel,
            JobToken token,
            Hello mine,
            Function<Hello, Optional<String>> admission,
            Duration deadline) {
        return run(
                channel,
                HandshakeMachine.server(token, mine, admission, address(channel)),
                deadline);
    }

    private static String address(SocketChannel channel) {
        return Texts.address(channel.socket().getRemoteSocketAddress());
    }

    private static Hello run(SocketChannel channel, HandshakeMachine machine, Duration deadline) {
        HandshakeException failure;
        try {
            boolean blocking = channel.isBlocking();
            channel.configureBlocking(false);
            try (Selector selector = Selector.open()) {
                channel.register(selector, 0);
                failure = new Driver(channel, selector, machine, deadline).run();
            }
            if (failure == null) {
                channel.configureBlocking(blocking);
                return machine.peer();
            }
        } catch (IOException e) {
            failure = machine.failure(Reason.CLOSED, "the connection broke (" + e + ")", e);
        }
        try {
            channel.close();
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        throw failure;
    }

    /** Moves the frames of one handshake through a non-blocking channel. */
    private static final class Driver {

        private static final long LINGER_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

        private final SocketChannel channel;
        private final Selector selector;
        private final HandshakeMachine machine;
        private final Duration deadline;
        private long end;

        Driver(
                SocketChannel channel,
                Selector selector,
                HandshakeMachine machine,
                Duration deadline) {
            this.channel = channel;
            this.selector = selector;
            this.machine = machine;
            this.deadline = deadline;
            this.end = System.nanoTime() + deadline.toNanos();
        }

        @Nullable HandshakeException run() throws IOException {
            boolean open = send(machine.opening().orElse(null));
            while (open) {
                ByteBuffer head = ByteBuffer.allocate(4);
                if (!read(head)) {
                    return lost();
                }
                int length = head.flip().getInt();
                if (length < 1 || length > HandshakeMachine.MAX_FRAME) {
                    return machine.failure(
                            Reason.GARBAGE,
                            "what came is no handshake (a message of "
                                    + Integer.toUnsignedString(length)
                                    + " bytes)",
                            null);
                }
                ByteBuffer body = ByteBuffer.allocate(length);
                if (!read(body)) {
                    return lost();
                }
                HandshakeMachine.Step step = machine.receive(body.array());
                HandshakeException failure = step.failure();
                open = send(step.reply());
                if (failure != null) {
                    linger();
                    return failure;
                }
                if (step.done() && open) {
                    return null;
                }
            }
            return lost();
        }

        private HandshakeException lost() {
            return end - System.nanoTime() <= 0
                    ? machine.failure(
                            Reason.SILENCE, "no answer within " + deadline.toMillis() + " ms", null)
                    : machine.failure(Reason.CLOSED, "the other side closed it", null);
        }

        /** Returns false at the deadline. */
        private boolean send(byte @Nullable [] frame) throws IOException {
            if (frame == null) {
                return true;
            }
            ByteBuffer out = ByteBuffer.allocate(4 + frame.length);
            out.putInt(frame.length).put(frame).flip();
            while (out.hasRemaining()) {
                if (channel.write(out) == 0 && !await(SelectionKey.OP_WRITE)) {
                    return false;
                }
            }
            return true;
        }

        /** Returns false at the deadline, and at the end of the stream. */
        private boolean read(ByteBuffer target) throws IOException {
            while (target.hasRemaining()) {
                int count = channel.read(target);
                if (count < 0 || count == 0 && !await(SelectionKey.OP_READ)) {
                    return false;
                }
            }
            return true;
        }

        private boolean await(int operation) throws IOException {
            long left = end - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            channel.keyFor(selector).interestOps(operation);
            selector.select(TimeUnit.NANOSECONDS.toMillis(left) + 1);
            selector.selectedKeys().clear();
            if (Thread.currentThread().isInterrupted()) {
                throw new IOException("interrupted");
            }
            return true;
        }

        /** Lets the other side read the reason: closing over unread data would discard it. */
        private void linger() throws IOException {
            end = Math.min(end, System.nanoTime() + LINGER_NANOS);
            channel.shutdownOutput();
            ByteBuffer rest = ByteBuffer.allocate(HandshakeMachine.MAX_FRAME);
            while (read(rest)) {
                rest.clear();
            }
        }
    }
}
