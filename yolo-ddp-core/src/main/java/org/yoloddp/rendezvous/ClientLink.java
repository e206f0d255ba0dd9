package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.HandshakeException.Reason;

/** A client's connection to a {@link StoreServer}, with a thread of its own. */
final class ClientLink implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ClientLink.class);
    private static final Duration RETRY = Duration.ofMillis(100);
    private static final int MAX_EARLY = 1000;

    /** What is done with a message. */
    interface Receiver {
        void received(byte[] frame) throws IOException;
    }

    private final EventLoop loop;
    private final Connection connection;
    private final InetAddress localAddress;

    /** What came before there was somebody to receive it; null afterwards. Of the loop's thread. */
    private @Nullable Deque<byte[]> early = new ArrayDeque<>();

    private @Nullable Exception endedEarly;
    private Runnable onClosed = () -> {};
    private Receiver receiver = frame -> {};
    private Consumer<Exception> end = why -> {};

    private ClientLink(
            EventLoop loop,
            SocketChannel channel,
            JobToken token,
            Hello mine,
            StoreOptions options,
            Wires wires,
            CompletableFuture<ClientLink> opened)
            throws IOException {
        this.loop = loop;
        this.localAddress = ((InetSocketAddress) channel.getLocalAddress()).getAddress();
        this.connection =
                new Connection(
                        loop,
                        wires.on(channel, loop),
                        HandshakeMachine.client(
                                token, mine, Texts.address(channel.getRemoteAddress())),
                        options.maxMessageBytes(),
                        4 * options.maxMessageBytes(),
                        new Events(opened));
    }

    /** Connects, again and again until somebody answers or the deadline has passed. */
    static ClientLink connect(
            InetSocketAddress address,
            JobToken token,
            Hello mine,
            StoreOptions options,
            Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        Wires wires = Wires.client(options.tls());
        while (true) {
            Exception last;
            long left = Math.max(1, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime()));
            try {
                return attempt(address, token, mine, options, wires, left);
            } catch (HandshakeException e) {
                if (e.reason() != Reason.SILENCE && e.reason() != Reason.CLOSED) {
                    throw e;
                }
                last = e;
            } catch (IOException e) {
                last = e;
            }
            if (System.nanoTime() + RETRY.toNanos() - end >= 0
                    || Thread.currentThread().isInterrupted()) {
                throw StoreConnectionException.unreachable(address, deadline, last);
            }
            LockSupport.parkNanos(RETRY.toNanos());
        }
    }

    private static ClientLink attempt(
            InetSocketAddress address,
            JobToken token,
            Hello mine,
            StoreOptions options,
            Wires wires,
            long millis)
            throws IOException {
        SocketChannel channel = SocketChannel.open();
        EventLoop loop = null;
        try {
            InetSocketAddress resolved =
                    address.isUnresolved()
                            ? new InetSocketAddress(address.getHostString(), address.getPort())
                            : address;
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            channel.socket().connect(resolved, (int) Math.min(millis, Integer.MAX_VALUE));
            loop = EventLoop.start("yolo-ddp-" + mine.purpose());
            CompletableFuture<ClientLink> opened = new CompletableFuture<>();
            ClientLink link = new ClientLink(loop, channel, token, mine, options, wires, opened);
            Duration limit = options.handshakeDeadline();
            Duration deadline =
                    limit.toMillis() < millis ? limit : Duration.ofMillis(Math.max(1, millis));
            loop.execute(() -> link.connection.start(deadline));
            return opened.get(deadline.toMillis() + 1000, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            close(loop, channel);
            if (e.getCause() instanceof HandshakeException known) {
                throw known;
            }
            throw new IOException(e.getCause());
        } catch (InterruptedException e) {
            close(loop, channel);
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (IOException | TimeoutException | RuntimeException e) {
            close(loop, channel);
            if (e instanceof IOException known) {
                throw known;
            }
            throw new IOException(e.toString(), e);
        }
    }

    private static void close(@Nullable EventLoop loop, SocketChannel channel) throws IOException {
        if (loop != null) {
            loop.close();
        }
        channel.close();
    }

    /** What happens on the connection, on the loop's thread. */
    private final class Events implements Connection.Listener {

        private final CompletableFuture<ClientLink> opened;

        Events(CompletableFuture<ClientLink> opened) {
            this.opened = opened;
        }

        @Override
        public void opened(Connection same) {
            opened.complete(ClientLink.this);
        }

        @Override
        public void received(Connection same, byte[] frame) throws IOException {
            Deque<byte[]> waiting = early;
            if (waiting == null) {
                receiver.received(frame);
            } else if (waiting.size() < MAX_EARLY) {
                waiting.add(frame);
            } else {
                throw new MalformedMessageException("messages that nobody asked for");
            }
        }

        @Override
        public void closed(Connection same, Exception why) {
            opened.completeExceptionally(why);
            endedEarly = why;
            onClosed.run();
            if (early == null) {
                end.accept(why);
            }
        }
    }

    /** Says who receives messages, and who is told of the end; both on the loop's thread. */
    void listen(Receiver newReceiver, Consumer<Exception> newEnd) {
        loop.execute(
                () -> {
                    receiver = newReceiver;
                    end = newEnd;
                    Deque<byte[]> waiting = early;
                    early = null;
                    if (waiting != null) {
                        waiting.forEach(this::deliver);
                    }
                    if (endedEarly != null) {
                        end.accept(endedEarly);
                    }
                });
    }

    private void deliver(byte[] frame) {
        try {
            receiver.received(frame);
        } catch (IOException e) {
            connection.close(e);
        }
    }

    void send(MessageWriter message) {
        loop.execute(() -> connection.send(message));
    }

    EventLoop loop() {
        return loop;
    }

    Hello server() {
        return connection.peer();
    }

    InetAddress localAddress() {
        return localAddress;
    }

    /** Sends a last message, and closes once it is gone or the deadline has passed. */
    void closeAfter(MessageWriter message, Duration deadline) {
        CountDownLatch gone = new CountDownLatch(1);
        loop.execute(
                () -> {
                    onClosed = gone::countDown;
                    connection.send(message);
                    connection.closeWhenSent();
                    if (endedEarly != null) {
                        gone.countDown();
                    }
                });
        boolean interrupted = Thread.interrupted();
        try {
            if (!loop.isClosed() && !gone.await(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.debug("a last message was not sent within {}", deadline);
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        loop.close();
    }
}
