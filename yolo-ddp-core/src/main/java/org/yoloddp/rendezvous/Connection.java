package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.HandshakeException.Reason;

/**
 * Frames over a wire: first those of the handshake, small and within a deadline, then those of the
 * listener. A frame's length is checked before memory is taken for it, and so is the amount that a
 * slow reader leaves unread. Used by the loop's thread.
 */
final class Connection implements EventLoop.Handler {

    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);
    private static final Duration LINGER = Duration.ofMillis(500);
    private static final String AT_END = "the other side closed it";
    private static final int MAX_DISCARDED = 64 << 10;

    /** What is done with a connection. */
    interface Listener {
        /** The handshake has ended well. */
        void opened(Connection connection);

        /** A message came. */
        void received(Connection connection, byte[] frame) throws IOException;

        /** The connection has ended; the reason is a HandshakeException if it never opened. */
        void closed(Connection connection, Exception why);
    }

    private final EventLoop loop;
    private final HandshakeMachine handshake;
    private final int maxFrame;
    private final int maxUnsent;
    private final Listener listener;
    private final Deque<ByteBuffer> unsent = new ArrayDeque<>();
    private final ByteBuffer head = ByteBuffer.allocate(4);
    private Wire wire;
    private @Nullable ByteBuffer body;
    private @Nullable SelectionKey key;
    private EventLoop.@Nullable Timer silence;
    private @Nullable HandshakeException refused;
    private long unsentBytes;
    private int discarded;
    private boolean bound;
    private boolean open;
    private boolean closed;
    private boolean closesWhenSent;

    Connection(
            EventLoop loop,
            Wire wire,
            HandshakeMachine handshake,
            int maxFrame,
            int maxUnsent,
            Listener listener) {
        this.loop = loop;
        this.wire = wire;
        this.handshake = handshake;
        this.maxFrame = maxFrame;
        this.maxUnsent = maxUnsent;
        this.listener = listener;
    }

    /** Begins the handshake. */
    void start(Duration deadline) {
        silence =
                loop.schedule(
                        deadline,
                        () ->
                                end(
                                        handshake.failure(
                                                Reason.SILENCE,
                                                "no answer within " + deadline.toMillis() + " ms",
                                                null)));
        try {
            key = loop.register(wire.channel(), SelectionKey.OP_READ, this);
            wire.start(this::resume);
            handshake.opening().ifPresent(this::enqueue);
            flush();
        } catch (IOException e) {
            close(e);
        }
    }

    /** Returns who the other side is; only of a connection that was opened. */
    Hello peer() {
        return handshake.peer();
    }

    /** Describes the other side, as far as it is known. */
    String peerText() {
        return handshake.peerText();
    }

    boolean isOpen() {
        return open && !closed;
    }

    @Override
    public void ready(SelectionKey selected) throws IOException {
        advance();
    }

    private void advance() throws IOException {
        readAll();
        if (!closed) {
            flush();
        }
    }

    private void resume() {
        if (!closed) {
            try {
                advance();
            } catch (IOException e) {
                close(e);
            } catch (RuntimeException | Error e) {
                LOG.error("a connection of {} failed", peerText(), e);
                close(new IOException(e));
            }
        }
    }

    private void readAll() throws IOException {
        ByteBuffer chunk = loop.chunk();
        while (!closed) {
            int count = wire.read(chunk.clear());
            if (count < 0) {
                close(new IOException(AT_END));
            }
            if (count <= 0) {
                return;
            }
            if (!bound && refused == null) {
                bound = true;
                handshake.bind(wire.binding());
            }
            chunk.flip();
            while (chunk.hasRemaining() && !closed && refused == null) {
                take(chunk);
            }
            discarded += chunk.remaining();
            if (refused != null && discarded > MAX_DISCARDED) {
                end(refused);
            }
        }
    }

    /** Takes bytes of the chunk to what is being read. */
    private void take(ByteBuffer chunk) throws IOException {
        ByteBuffer target = body == null ? head : body;
        int count = Math.min(target.remaining(), chunk.remaining());
        target.put(target.position(), chunk, chunk.position(), count);
        target.position(target.position() + count);
        chunk.position(chunk.position() + count);
        if (target.hasRemaining()) {
            return;
        }
        if (body == null) {
            int length = head.flip().getInt();
            head.clear();
            int limit = open ? maxFrame : HandshakeMachine.MAX_FRAME;
            if (length < 1 || length > limit) {
                if (!open) {
                    Optional<WireException> other = handshake.otherLanguage(length);
                    if (other.isPresent()) {
                        throw other.get();
                    }
                }
                String text = "a message of " + Integer.toUnsignedString(length) + " bytes";
                if (open) {
                    throw new MalformedMessageException(text + ", " + limit + " are allowed");
                }
                end(
                        handshake.failure(
                                Reason.GARBAGE, "what came is no handshake (" + text + ")", null));
                return;
            }
            body = ByteBuffer.allocate(length);
        } else {
            byte[] frame = body.array();
            body = null;
            received(frame);
        }
    }

    private void received(byte[] frame) throws IOException {
        if (open) {
            listener.received(this, frame);
            return;
        }
        HandshakeMachine.Step step = handshake.receive(frame);
        byte[] reply = step.reply();
        if (reply != null) {
            enqueue(reply);
            flush();
        }
        HandshakeException failure = step.failure();
        if (failure != null) {
            linger(failure);
        } else if (step.done() && !closed) {
            open = true;
            cancelTimer();
            listener.opened(this);
        }
    }

    /** Lets the other side read the reason: closing over unread data would discard it. */
    private void linger(HandshakeException failure) {
        refused = failure;
        cancelTimer();
        silence = loop.schedule(LINGER, () -> end(failure));
    }

    /** Sends a message; a connection that has ended ignores it. */
    void send(MessageWriter message) {
        if (closed) {
            return;
        }
        try {
            enqueue(message.toBytes());
            flush();
        } catch (IOException e) {
            close(e);
        }
    }

    private void enqueue(byte[] frame) {
        ByteBuffer out = ByteBuffer.allocate(4 + frame.length);
        out.putInt(frame.length).put(frame).flip();
        unsent.add(out);
        unsentBytes += out.remaining();
    }

    private void flush() throws IOException {
        wire.flush();
        while (!unsent.isEmpty()) {
            ByteBuffer first = unsent.peek();
            int before = first.remaining();
            wire.write(first);
            unsentBytes -= before - first.remaining();
            if (first.hasRemaining()) {
                break;
            }
            unsent.remove();
        }
        if (unsentBytes > maxUnsent) {
            throw new IOException("it left " + unsentBytes + " bytes unread");
        }
        boolean waits = !unsent.isEmpty() || wire.isHeld();
        if (key != null && key.isValid()) {
            key.interestOps(wire.operations(!unsent.isEmpty()));
        }
        if (closesWhenSent && !waits) {
            end(new IOException("it was closed here"));
        }
    }

    /** Closes it once everything is sent. */
    void closeWhenSent() {
        closesWhenSent = true;
        try {
            if (!closed) {
                flush();
            }
        } catch (IOException e) {
            close(e);
        }
    }

    @Override
    public void close(IOException why) {
        if (refused != null) {
            end(refused);
        } else if (open) {
            end(why);
        } else if (why instanceof WireException wrong) {
            refuse(wrong);
        } else {
            Reason reason =
                    why instanceof MalformedMessageException ? Reason.GARBAGE : Reason.CLOSED;
            String text =
                    AT_END.equals(why.getMessage()) ? AT_END : "the connection broke (" + why + ")";
            end(handshake.failure(reason, text, why));
        }
    }

    /** Ends a handshake whose bytes make no sense, once the other side could read why. */
    private void refuse(WireException wrong) {
        String text = String.valueOf(wrong.getMessage());
        HandshakeException failure = handshake.failure(wrong.reason(), text, wrong);
        if (wrong.told() == WireException.Told.BOTH) {
            end(failure);
            return;
        }
        linger(failure);
        unsent.clear();
        unsentBytes = 0;
        if (wrong.told() == WireException.Told.IN_PLAIN) {
            wire = new Wire.Plain(wire.channel());
            enqueue(HandshakeMachine.refusal(wrong.reason(), text));
        }
        try {
            flush();
        } catch (IOException e) {
            end(failure);
        }
    }

    /** Ends a handshake that waits for too long while others need its place. */
    void drop() {
        end(handshake.failure(Reason.SILENCE, "too many connections wait to be opened", null));
    }

    private void end(Exception why) {
        if (closed) {
            return;
        }
        closed = true;
        cancelTimer();
        unsent.clear();
        try {
            wire.close();
        } catch (IOException e) {
            LOG.debug("closing {}", peerText(), e);
        }
        listener.closed(this, why);
    }

    private void cancelTimer() {
        if (silence != null) {
            silence.cancel();
        }
    }
}
