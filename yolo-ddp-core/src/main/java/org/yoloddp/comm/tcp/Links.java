package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import jdk.net.ExtendedSocketOptions;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.Handshake;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.Hello;
import org.yoloddp.rendezvous.JobToken;

/**
 * Makes and takes connections between ranks of different hosts. Each is opened by the handshake
 * with the job's token, and then says by name what it is for. Listens on one address only.
 */
final class Links implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Links.class);
    private static final String PURPOSE = "data";
    private static final Duration HANDSHAKE = Duration.ofSeconds(10);
    private static final int MOST_STRANGERS = 256;

    /** Questions without an answer before a line counts as broken. */
    private static final int PROBES = 3;

    private static final int MOST_NAME = 4096;

    private record Key(String name, int peer) {}

    private final int rank;
    private final JobToken token;
    private final String job;
    private final int generation;
    private final Duration deadline;
    private final Duration silence;
    private final ServerSocketChannel server;
    private final AtomicInteger strangers = new AtomicInteger();
    private final Map<Key, CompletableFuture<Link>> links = new ConcurrentHashMap<>();
    private volatile List<@Nullable InetSocketAddress> peers = List.of();
    private volatile boolean closed;

    Links(
            int rank,
            JobToken token,
            String job,
            int generation,
            InetAddress bind,
            Duration deadline,
            Duration silence)
            throws IOException {
        this.rank = rank;
        this.token = token;
        this.job = job;
        this.generation = generation;
        this.deadline = deadline;
        this.silence = silence;
        this.server = ServerSocketChannel.open();
        server.bind(new InetSocketAddress(bind, 0), 256);
        daemon("accept", this::accept);
    }

    InetSocketAddress address() {
        try {
            return (InetSocketAddress) server.getLocalAddress();
        } catch (IOException e) {
            throw new IllegalStateException("The listening socket is closed", e);
        }
    }

    void setPeers(List<@Nullable InetSocketAddress> addresses) {
        peers = addresses;
    }

    private void daemon(String what, Runnable body) {
        Thread thread = new Thread(body, "yolo-ddp-tcp-" + rank + "-" + what);
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * Returns a connection of that name with a peer; the rank of the lower number makes it. Empty
     * while it is being made.
     */
    Optional<Link> get(String name, int peer) {
        Key key = new Key(name, peer);
        CompletableFuture<Link> made = links.get(key);
        if (made == null) {
            made = new CompletableFuture<>();
            CompletableFuture<Link> known = links.putIfAbsent(key, made);
            if (known == null && rank < peer) {
                CompletableFuture<Link> mine = made;
                daemon("connect", () -> connect(key, mine));
            }
            made = known == null ? made : known;
        }
        if (made.isCompletedExceptionally()) {
            throw new Link.BrokenException(peer, "no connection could be made");
        }
        return Optional.ofNullable(made.getNow(null));
    }

    private void connect(Key key, CompletableFuture<Link> made) {
        InetSocketAddress address = peers.get(key.peer());
        try {
            if (address == null) {
                throw new IOException("rank " + key.peer() + " has said no address");
            }
            SocketChannel channel = SocketChannel.open();
            channel.socket()
                    .connect(address, Math.toIntExact(Math.min(deadline.toMillis(), 60_000)));
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Hello peer = Handshake.client(channel, token, hello(), HANDSHAKE);
            if (peer.rank() != key.peer()) {
                throw new IOException("rank " + peer.rank() + " answers at " + address);
            }
            byte[] name = key.name().getBytes(StandardCharsets.UTF_8);
            ByteBuffer out = ByteBuffer.allocate(4 + name.length).putInt(name.length).put(name);
            out.flip();
            while (out.hasRemaining()) {
                channel.write(out);
            }
            complete(made, key.peer(), channel);
        } catch (IOException | RuntimeException e) {
            LOG.warn(
                    "Rank {} cannot reach rank {} at {}: {}",
                    rank,
                    key.peer(),
                    address,
                    e.toString());
            made.completeExceptionally(e);
        }
    }

    private Hello hello() {
        return Hello.of(PURPOSE, job, generation, rank);
    }

    private void complete(CompletableFuture<Link> made, int peer, SocketChannel channel)
            throws IOException {
        channel.configureBlocking(false);
        watch(channel);
        Link link = new Link(peer, channel);
        if (closed || !made.complete(link)) {
            link.close();
        }
    }

    /**
     * Lets the kernels ask each other, where nothing else is on its way, whether the line is whole:
     * whoever waits for data over one that has gone silent learns of it as soon as of a silent
     * rank.
     */
    private void watch(SocketChannel channel) throws IOException {
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        int seconds = Math.toIntExact(Math.max(2, Math.min(silence.toSeconds(), 3600)));
        int idle = Math.max(1, seconds * 2 / 5);
        int interval = Math.max(1, (seconds - idle) / PROBES);
        if (channel.supportedOptions().contains(ExtendedSocketOptions.TCP_KEEPIDLE)) {
            channel.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, idle);
            channel.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, interval);
            channel.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, PROBES);
        }
    }

    private void accept() {
        while (!closed) {
            try {
                SocketChannel channel = server.accept();
                if (strangers.incrementAndGet() > MOST_STRANGERS) {
                    strangers.decrementAndGet();
                    channel.close();
                } else {
                    daemon("handshake", () -> admit(channel));
                }
            } catch (IOException e) {
                if (!closed) {
                    LOG.warn("Rank {} takes no more connections: {}", rank, e.toString());
                }
                return;
            }
        }
    }

    private void admit(SocketChannel channel) {
        try {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Hello peer =
                    Handshake.server(
                            channel,
                            token,
                            hello(),
                            who ->
                                    who.rank() >= 0 && who.rank() < rank
                                            ? Optional.empty()
                                            : Optional.of(
                                                    "rank "
                                                            + who.rank()
                                                            + " does not connect to rank "
                                                            + rank),
                            HANDSHAKE);
            String name = name(channel);
            CompletableFuture<Link> made =
                    links.computeIfAbsent(
                            new Key(name, peer.rank()), k -> new CompletableFuture<>());
            complete(made, peer.rank(), channel);
        } catch (HandshakeException e) {
            LOG.warn("Rank {} refused a connection: {}", rank, e.getMessage());
        } catch (IOException | RuntimeException e) {
            LOG.warn("A connection to rank {} broke: {}", rank, e.toString());
            new Link(-1, channel).close();
        } finally {
            strangers.decrementAndGet();
        }
    }

    private static String name(SocketChannel channel) throws IOException {
        channel.configureBlocking(false);
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            long end = System.nanoTime() + HANDSHAKE.toNanos();
            ByteBuffer length = ByteBuffer.allocate(4);
            fill(channel, selector, length, end);
            int bytes = length.flip().getInt();
            if (bytes < 0 || bytes > MOST_NAME) {
                throw new IOException("a name of " + bytes + " bytes");
            }
            ByteBuffer name = ByteBuffer.allocate(bytes);
            fill(channel, selector, name, end);
            return new String(name.array(), StandardCharsets.UTF_8);
        }
    }

    private static void fill(SocketChannel channel, Selector selector, ByteBuffer to, long end)
            throws IOException {
        while (to.hasRemaining()) {
            if (channel.read(to) < 0) {
                throw new IOException("closed before it said what it is for");
            }
            if (to.hasRemaining()) {
                if (System.nanoTime() - end > 0) {
                    throw new IOException("it did not say what it is for");
                }
                selector.select(100);
                selector.selectedKeys().clear();
            }
        }
    }

    /** Closes the connections whose names begin so. */
    void close(String prefix) {
        links.forEach(
                (key, made) -> {
                    if (key.name().startsWith(prefix)) {
                        made.completeExceptionally(new IOException("closed"));
                        if (!made.isCompletedExceptionally()) {
                            made.getNow(null).close();
                        }
                    }
                });
    }

    @Override
    public void close() {
        closed = true;
        try {
            server.close();
        } catch (IOException e) {
            LOG.debug("closing", e);
        }
        close("");
    }
}
