package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.error.ConfigurationException;

/**
 * Serves the store of a job on the address that it is given, and on no other.
 *
 * <p>Every connection begins with a {@link Handshake}. Until that has ended well, a stranger costs
 * one slot and at most 4 KiB (with TLS some 100 KiB), for no longer than the handshake's deadline;
 * if too many wait, the oldest of them goes. One daemon thread serves all connections and never
 * blocks. Thread-safe.
 */
public final class StoreServer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(StoreServer.class);
    private static final int BACKLOG = 1024;
    private static final Duration POLL = Duration.ofMillis(20);
    private static final long GRACE_MILLIS = 500;

    private final ServerSocketChannel channel;
    private final InetSocketAddress address;
    private final JobToken token;
    private final StoreOptions options;
    private final EventLoop loop;
    private final Wires wires;
    private final StoreTable table;
    private final FailureBoard board;
    private final List<FailureListener> listeners = new CopyOnWriteArrayList<>();
    private final Map<String, Service> services = new HashMap<>();
    private final Map<Connection, Service> open = new LinkedHashMap<>();
    private final Map<Connection, Boolean> pending = new LinkedHashMap<>();
    private int generation;

    private StoreServer(
            ServerSocketChannel channel,
            JobToken token,
            StoreOptions options,
            EventLoop loop,
            Wires wires)
            throws IOException {
        this.channel = channel;
        this.address = (InetSocketAddress) channel.getLocalAddress();
        this.token = token;
        this.options = options;
        this.loop = loop;
        this.wires = wires;
        this.table = new StoreTable(loop, options.maxStoreBytes());
        this.board =
                new FailureBoard(
                        loop,
                        options.heartbeats(),
                        options.rank(),
                        System::nanoTime,
                        (number, failure) ->
                                listeners.forEach(listener -> listener.failed(number, failure)));
        services.put(Protocol.STORE, table);
        services.put(FailureChannel.PURPOSE, board);
    }

    /**
     * Binds an address and serves the store there.
     *
     * @param bind the address, port 0 for any that is free
     * @param token the job's token, {@link JobToken#none()} for none
     * @param options how to serve; a rank here says which rank's process serves the store
     * @return the running server
     * @throws ConfigurationException if the address is not a loopback one and there is no token,
     *     unless the options are insecure; if files for TLS are missing or cannot be used
     * @throws StoreConnectionException if the address cannot be bound
     */
    public static StoreServer start(InetSocketAddress bind, JobToken token, StoreOptions options) {
        requireSecure(bind, token, options);
        ServerSocketChannel channel = null;
        try {
            channel = ServerSocketChannel.open();
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            channel.bind(bind, BACKLOG);
            return serve(channel, token, options);
        } catch (IOException | RuntimeException e) {
            close(channel, e);
            if (e instanceof ConfigurationException known) {
                throw known;
            }
            throw StoreConnectionException.cannotBind(bind, e);
        }
    }

    /**
     * Serves the store on a port that is bound already, and is closed with the server.
     *
     * @param bound the bound channel
     * @param token the job's token, {@link JobToken#none()} for none
     * @param options how to serve
     * @return the running server
     * @throws ConfigurationException if the address is not a loopback one and there is no token,
     *     unless the options are insecure; if files for TLS are missing or cannot be used
     */
    public static StoreServer start(
            ServerSocketChannel bound, JobToken token, StoreOptions options) {
        try {
            requireSecure((InetSocketAddress) bound.getLocalAddress(), token, options);
            return serve(bound, token, options);
        } catch (IOException e) {
            throw new ConfigurationException("The channel is not bound to a port: " + e);
        }
    }

    private static StoreServer serve(
            ServerSocketChannel channel, JobToken token, StoreOptions options) throws IOException {
        Wires wires = Wires.server(options.tls(), Clock.systemUTC());
        EventLoop loop = EventLoop.start("yolo-ddp-store");
        try {
            StoreServer server = new StoreServer(channel, token, options, loop, wires);
            channel.configureBlocking(false);
            loop.execute(server::listen);
            return server;
        } catch (IOException | RuntimeException e) {
            loop.close();
            throw e;
        }
    }

    /** Refuses to be open to everybody on the network. */
    static void requireSecure(InetSocketAddress address, JobToken token, StoreOptions options) {
        InetAddress host = address.getAddress();
        boolean loopback = host != null && host.isLoopbackAddress();
        if (!loopback && token.isNone() && !options.insecure()) {
            throw new ConfigurationException(
                    "A rendezvous at "
                            + Texts.address(address)
                            + " can be reached from other machines, but there is no job token."
                            + " Put 32 random characters into a file, the same on all nodes, and"
                            + " set YOLODDP_TOKEN_FILE to it, or set YOLODDP_TOKEN; or pass"
                            + " --insecure-rendezvous if everybody on this network may join.");
        }
    }

    private static void close(@Nullable ServerSocketChannel channel, Exception failure) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
    }

    /**
     * Returns where the store is served.
     *
     * @return the address, with the real port
     */
    public InetSocketAddress address() {
        return address;
    }

    /**
     * Begins a restart generation: workers of former ones are disconnected and refused, and what
     * they left in the store is forgotten. Late messages of theirs have no effect.
     *
     * @param number the number of restarts before
     */
    public void beginGeneration(int number) {
        loop.execute(
                () -> {
                    generation = Math.max(generation, number);
                    // First, so that nobody takes the end of those connections for a failure.
                    services.values().forEach(service -> service.begin(generation));
                    for (Connection connection : Map.copyOf(open).keySet()) {
                        int theirs = connection.peer().generation();
                        if (theirs >= 0 && theirs < generation) {
                            connection.close(
                                    new IOException("generation " + theirs + " has ended"));
                        }
                    }
                });
    }

    /** Is told why the ranks of a generation have failed. */
    @FunctionalInterface
    public interface FailureListener {

        /**
         * Takes the root cause, once for each generation that fails, on the server's thread, which
         * must not be held up.
         *
         * @param generation the restart generation; -1 of ranks that have none
         * @param cause what all ranks are told
         */
        void failed(int generation, CommunicationException cause);
    }

    /**
     * Registers who is told why the ranks of a generation have failed: the root cause, as all ranks
     * are told it.
     *
     * @param listener gets it on the server's thread, which it must not hold up
     */
    public void onFailure(FailureListener listener) {
        listeners.add(listener);
    }

    /**
     * Says that the process of a rank has failed, for who sees processes end. It is the root cause,
     * unless one has been decided before: all ranks are told, and those that connect later. Of a
     * rank whose channel is still open, its own last words are preferred. Whatever ends after this
     * call, such as ranks that are now asked to, is no cause. Never blocks.
     *
     * @param number the restart generation
     * @param rank the rank, by number in the world
     * @param host where it ran
     * @param pid its process, -1 if that is not known
     * @param how how it ended, in words
     */
    public void rankFailed(int number, int rank, String host, long pid, String how) {
        loop.execute(
                () -> {
                    if (number >= generation) {
                        board.ended(number, rank, host, pid, how);
                    }
                });
    }

    /**
     * Says that the process of a rank has ended in good order. Nobody fails of it but those who
     * wait for it to come: they connected when it was not there.
     *
     * @param number the restart generation
     * @param rank the rank, by number in the world
     * @param host where it ran
     * @param pid its process, -1 if that is not known
     * @param how how it ended, in words
     */
    public void rankLeft(int number, int rank, String host, long pid, String how) {
        loop.execute(
                () -> {
                    if (number >= generation) {
                        board.left(number, rank, host, pid, how);
                    }
                });
    }

    private void listen() {
        board.start();
        try {
            loop.register(channel, SelectionKey.OP_ACCEPT, new Acceptor());
        } catch (IOException e) {
            LOG.error("{} cannot accept connections", this, e);
        }
    }

    /** Accepts connections. */
    private final class Acceptor implements EventLoop.Handler {

        @Override
        public void ready(SelectionKey key) throws IOException {
            SocketChannel accepted = accept();
            while (accepted != null) {
                admit(accepted);
                accepted = accept();
            }
        }

        private @Nullable SocketChannel accept() throws IOException {
            try {
                return channel.accept();
            } catch (IOException e) {
                if (!channel.isOpen()) {
                    throw e;
                }
                // Such as too many open files: those who wait are served when some have left.
                LOG.warn("{} could not accept a connection: {}", StoreServer.this, e.toString());
                return null;
            }
        }

        @Override
        public void close(IOException why) {
            try {
                channel.close();
            } catch (IOException e) {
                LOG.debug("closing {}", address, e);
            }
        }
    }

    private void admit(SocketChannel accepted) throws IOException {
        if (pending.size() >= Math.max(1, options.maxConnections() / 8)) {
            pending.keySet().iterator().next().drop();
        }
        if (open.size() >= options.maxConnections()) {
            LOG.warn("{} has {} connections and takes no more", this, open.size());
            accepted.close();
            return;
        }
        accepted.setOption(StandardSocketOptions.TCP_NODELAY, true);
        accepted.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        Hello mine = Hello.of("*", options.job(), -1, options.rank());
        String peer = Texts.address(accepted.getRemoteAddress());
        Connection connection =
                new Connection(
                        loop,
                        wires.on(accepted, loop),
                        HandshakeMachine.server(token, mine, this::objection, peer),
                        options.maxMessageBytes(),
                        4 * options.maxMessageBytes(),
                        new Router());
        pending.put(connection, true);
        connection.start(options.handshakeDeadline());
    }

    private Optional<String> objection(Hello client) {
        Service service = services.get(client.purpose());
        if (service == null) {
            return Optional.of("this server knows nothing of '" + client.purpose() + "'");
        }
        if (client.generation() >= 0 && client.generation() < generation) {
            return Optional.of(
                    client.describe()
                            + " is of generation "
                            + client.generation()
                            + ", but generation "
                            + generation
                            + " has begun");
        }
        Optional<String> objection = service.objection(client);
        objection.ifPresent(text -> table.note(client.generation(), client.rank(), text));
        return objection;
    }

    /** Hands connections to the service they are for. */
    private final class Router implements Connection.Listener {

        @Override
        public void opened(Connection connection) {
            pending.remove(connection);
            Service service = services.get(connection.peer().purpose());
            open.put(connection, service);
            service.opened(connection);
        }

        @Override
        public void received(Connection connection, byte[] frame) throws IOException {
            open.get(connection).received(connection, frame);
        }

        @Override
        public void closed(Connection connection, Exception why) {
            pending.remove(connection);
            Service service = open.remove(connection);
            if (service != null) {
                LOG.debug("{} has gone: {}", connection.peerText(), why.getMessage());
                service.closed(connection, why);
            } else {
                LOG.warn(
                        "The store at {} refused {}: {}",
                        Texts.address(address),
                        connection.peerText(),
                        why.getMessage());
            }
        }
    }

    /**
     * Waits until all ranks have left their failure channels, for whom the server may be needed.
     *
     * @param deadline how long to wait
     * @return true if all have left
     */
    public boolean awaitRanksLeft(Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        CompletableFuture<Boolean> left = new CompletableFuture<>();
        loop.execute(() -> waitForRanks(left, end));
        try {
            return left.get(deadline.toMillis() + GRACE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException | TimeoutException e) {
            return false;
        }
    }

    private void waitForRanks(CompletableFuture<Boolean> left, long end) {
        boolean empty = board.isEmpty();
        if (empty || System.nanoTime() - end >= 0) {
            left.complete(empty);
        } else {
            loop.schedule(POLL, () -> waitForRanks(left, end));
        }
    }

    /**
     * Disconnects everybody, and frees the port; for ranks that are still there it is a failure.
     * Idempotent.
     */
    @Override
    public void close() {
        loop.close();
        wires.close();
    }

    @Override
    public String toString() {
        return "StoreServer["
                + Texts.address(address)
                + ", job '"
                + options.job()
                + (options.tls().isOn() ? "', TLS]" : "']");
    }
}
