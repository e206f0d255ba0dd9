package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/**
 * The store of a {@link StoreServer}, from any process that knows the job's token.
 *
 * <p>One connection carries the calls of all threads, each with a number of its own, so one that
 * waits blocks no other. A connection that is lost stays lost: every pending and later call throws
 * a {@link StoreConnectionException}, or, where the failure channel is open, what that says of the
 * job's failure. The keys of a process with a restart generation are apart from those of other
 * generations. Thread-safe.
 */
public final class TcpStore implements Store, AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TcpStore.class);

    /** The server's answer to a wait that timed out names what is missing, so it gets a moment. */
    private static final long GRACE_MILLIS = 250;

    /** The failure channel learns of the end of the server at about the same time. */
    private static final Duration DECISION = Duration.ofSeconds(2);

    private record Answer(int status, MessageReader body) {}

    private record Pending(CompletableFuture<Answer> answer, boolean waits) {}

    private final InetSocketAddress address;
    private final JobToken token;
    private final StoreOptions options;
    private final ClientLink link;
    private final AtomicLong calls = new AtomicLong();
    private final Map<Long, Pending> pending = new ConcurrentHashMap<>();
    private @Nullable FailureChannel channel;
    private volatile @Nullable RuntimeException ended;
    private volatile @Nullable CommunicationException failed;
    private volatile boolean closing;

    private TcpStore(
            InetSocketAddress address, JobToken token, StoreOptions options, ClientLink link) {
        this.address = address;
        this.token = token;
        this.options = options;
        this.link = link;
    }

    /**
     * Connects as a process that is no rank and outlives restarts.
     *
     * @param address where the store is
     * @param token the job's token, {@link JobToken#none()} for none
     * @param deadline how long to try; the server may start later
     * @return the store
     * @throws StoreConnectionException if nothing answers in time
     * @throws HandshakeException if the server refuses this process
     */
    public static TcpStore connect(InetSocketAddress address, JobToken token, Duration deadline) {
        return connect(address, token, StoreOptions.defaults(), deadline);
    }

    /**
     * Connects.
     *
     * @param address where the store is
     * @param token the job's token, {@link JobToken#none()} for none
     * @param options who this is
     * @param deadline how long to try; the server may start later
     * @return the store
     * @throws StoreConnectionException if nothing answers in time
     * @throws HandshakeException if the server refuses this process
     * @throws org.yoloddp.error.ConfigurationException if the address is not a loopback one and
     *     there is no token, unless the options are insecure; if files for TLS cannot be used
     */
    public static TcpStore connect(
            InetSocketAddress address, JobToken token, StoreOptions options, Duration deadline) {
        StoreServer.requireSecure(address, token, options);
        ClientLink link =
                ClientLink.connect(
                        address,
                        token,
                        Hello.of(
                                Protocol.STORE,
                                options.job(),
                                options.generation(),
                                options.rank()),
                        options,
                        deadline);
        TcpStore store = new TcpStore(address, token, options, link);
        link.listen(store::received, store::lost);
        return store;
    }

    /**
     * Returns where the store is served.
     *
     * @return the address
     */
    public InetSocketAddress address() {
        return address;
    }

    /**
     * Returns the address of this host that leads to the store: the one for sockets of our own, as
     * others of the job reach it.
     *
     * @return the local address of the connection
     */
    public InetAddress localAddress() {
        return link.localAddress();
    }

    /**
     * Returns the job's token, for sockets of our own.
     *
     * @return the token
     */
    public JobToken token() {
        return token;
    }

    /**
     * Returns how this process has connected.
     *
     * @return the options
     */
    public StoreOptions options() {
        return options;
    }

    /**
     * Returns who serves the store.
     *
     * @return the server's greeting; its rank is -1 if it is not served by a rank
     */
    public Hello server() {
        return link.server();
    }

    /**
     * Returns this process's failure channel, with the rank and generation of this store; the first
     * call connects it, {@link #close} closes it. From then on a failure of the job ends the waits
     * of this store.
     *
     * @param deadline how long connecting may take
     * @return the channel
     * @throws StoreConnectionException if the server does not answer in time
     * @throws HandshakeException if the server refuses this process
     */
    public FailureChannel failureChannel(Duration deadline) {
        synchronized (link) {
            FailureChannel open = channel;
            if (open == null) {
                if (ended != null) {
                    throw again(ended);
                }
                open = FailureChannel.connect(address, token, options, deadline);
                channel = open;
                open.onFailure(this::jobFailed);
            }
            return open;
        }
    }

    /**
     * Ends what waits for keys that nobody may set any more; and every call if the server is silent
     * behind a connection that is open still.
     */
    private void jobFailed(CommunicationException failure) {
        boolean silent = openChannel().filter(FailureChannel::isServerLost).isPresent();
        if (silent && ended == null) {
            ended = failure;
        }
        failed = failure;
        for (Pending call : pending.values()) {
            if (call.waits() || silent) {
                call.answer().completeExceptionally(failure);
            }
        }
    }

    /** Returns the failure channel if it was connected. */
    Optional<FailureChannel> openChannel() {
        synchronized (link) {
            return Optional.ofNullable(channel);
        }
    }

    @Override
    public void set(String key, byte[] value, Duration deadline) {
        call(
                Protocol.SET,
                new MessageWriter().text(scoped(key)).bytes(value),
                List.of(key),
                deadline);
    }

    @Override
    public byte[] get(String key, Duration deadline) {
        Answer answer =
                call(Protocol.GET, new MessageWriter().text(scoped(key)), List.of(key), deadline);
        return read(answer, MessageReader::bytes);
    }

    @Override
    public byte[] take(String key, Duration deadline) {
        Answer answer =
                call(Protocol.TAKE, new MessageWriter().text(scoped(key)), List.of(key), deadline);
        return read(answer, MessageReader::bytes);
    }

    @Override
    public long add(String key, long delta, Duration deadline) {
        Answer answer =
                call(
                        Protocol.ADD,
                        new MessageWriter().text(scoped(key)).int64(delta),
                        List.of(key),
                        deadline);
        return read(answer, MessageReader::int64);
    }

    @Override
    public void await(List<String> keys, Duration deadline) {
        call(
                Protocol.AWAIT,
                new MessageWriter().texts(keys.stream().map(this::scoped).toList()),
                keys,
                deadline);
    }

    @Override
    public boolean compareAndSet(
            String key, byte @Nullable [] expected, byte[] desired, Duration deadline) {
        Answer answer =
                call(
                        Protocol.COMPARE_AND_SET,
                        new MessageWriter().text(scoped(key)).optional(expected).bytes(desired),
                        List.of(key),
                        deadline);
        return read(answer, MessageReader::int8) == 1;
    }

    private String scoped(String key) {
        return options.scope() + key;
    }

    private interface Reading<T> {
        T read(MessageReader in) throws MalformedMessageException;
    }

    private <T> T read(Answer answer, Reading<T> reading) {
        try {
            return reading.read(answer.body());
        } catch (MalformedMessageException e) {
            throw StoreConnectionException.lost(address, server().describe(), e);
        }
    }

    private Answer call(int operation, MessageWriter body, List<String> keys, Duration deadline) {
        long id = calls.incrementAndGet();
        boolean waits =
                (operation == Protocol.GET
                                || operation == Protocol.TAKE
                                || operation == Protocol.AWAIT)
                        && deadline.toMillis() > 0;
        CompletableFuture<Answer> future = new CompletableFuture<>();
        pending.put(id, new Pending(future, waits));
        try {
            RuntimeException gone = ended;
            if (gone != null) {
                throw again(gone);
            }
            // Read behind the entry above: a failure that comes later finds that.
            boolean inVain = waits && failed != null;
            long millis = inVain ? 0 : Math.max(0, deadline.toMillis());
            link.send(message(operation, id, millis, body, keys));
            Answer answer = await(future, millis + GRACE_MILLIS);
            if (answer == null) {
                link.send(new MessageWriter().int8(Protocol.CANCEL).int64(id).int64(0));
                throw StoreTimeoutException.unanswered(keys, server().describe(), deadline);
            }
            return checked(answer, keys, deadline, waits);
        } finally {
            pending.remove(id);
        }
    }

    private MessageWriter message(
            int operation, long id, long millis, MessageWriter body, List<String> keys) {
        byte[] message =
                new MessageWriter()
                        .int8(operation)
                        .int64(id)
                        .int64(millis)
                        .raw(body.toBytes())
                        .toBytes();
        if (message.length > options.maxMessageBytes()) {
            throw StoreConnectionException.refused(
                    address,
                    "'"
                            + keys.get(0)
                            + "' and its value have "
                            + message.length
                            + " bytes, the longest message "
                            + options.maxMessageBytes());
        }
        return new MessageWriter().raw(message);
    }

    /** Waits without being interrupted; null at the deadline. */
    private @Nullable Answer await(CompletableFuture<Answer> future, long millis) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (TimeoutException e) {
                    return null;
                } catch (ExecutionException e) {
                    throw again((RuntimeException) e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Each thread throws an exception with a stack of its own. */
    private RuntimeException again(RuntimeException failure) {
        if (failure instanceof CommunicationException known) {
            return known.copy();
        }
        if (failure instanceof StoreConnectionException lost) {
            Optional<FailureChannel> open = closing ? Optional.empty() : openChannel();
            return open.isPresent() ? open.get().settle(lost, DECISION).copy() : lost.copy();
        }
        return failure;
    }

    private Answer checked(Answer answer, List<String> keys, Duration deadline, boolean waits) {
        CommunicationException failure = failed;
        return switch (answer.status()) {
            case Protocol.OK -> answer;
            case Protocol.MISSING -> {
                if (waits && failure != null) {
                    throw failure.copy();
                }
                throw StoreTimeoutException.of(read(answer, MessageReader::texts), deadline);
            }
            case Protocol.NOT_A_NUMBER ->
                    throw new IllegalStateException(
                            "The value of '" + keys.get(0) + "' is not a number");
            default ->
                    throw StoreConnectionException.refused(
                            address, read(answer, MessageReader::text));
        };
    }

    private void received(byte[] frame) throws IOException {
        MessageReader in = new MessageReader(frame);
        long id = in.int64();
        int status = in.int8();
        if (status == Protocol.NOTE) {
            LOG.warn("The store at {}: {}", Texts.address(address), Texts.clean(in.text()));
            return;
        }
        Pending call = pending.remove(id);
        if (call != null) {
            call.answer().complete(new Answer(status, in));
        }
    }

    private void lost(Exception why) {
        RuntimeException failure =
                ended == null
                        ? StoreConnectionException.lost(address, server().describe(), why)
                        : ended;
        ended = failure;
        pending.values().forEach(call -> call.answer().completeExceptionally(failure));
    }

    /** Leaves the store; what waits ends with a {@link StoreConnectionException}. Idempotent. */
    @Override
    public void close() {
        closing = true;
        if (ended == null) {
            ended = StoreConnectionException.closed(address);
        }
        FailureChannel open;
        synchronized (link) {
            open = channel;
        }
        if (open != null) {
            open.close();
        }
        link.close();
    }

    @Override
    public String toString() {
        return "TcpStore["
                + Texts.address(address)
                + ", job '"
                + options.job()
                + (options.tls().isOn() ? "', TLS]" : "']");
    }
}
