package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;

/**
 * One rank's line to the place where failures are decided: its heartbeats go there, with what it is
 * doing, and the root cause of a failure comes back, the same to all ranks.
 *
 * <p>The connection is its own, beside that of the {@link TcpStore}, with a thread that no work of
 * the rank can hold up. A rank that dies is known to all at once, one that is stopped after the
 * limit of silence, one that makes no progress while others wait for it after the stall timeout,
 * with the stacks of its threads ({@link Heartbeats}). The loss of the server is a failure of all.
 * Thread-safe.
 */
public final class FailureChannel implements AutoCloseable {

    /** The purpose of a failure channel's connection. */
    static final String PURPOSE = "failure";

    static final int BEAT = 1;
    static final int REPORT = 2;
    static final int STACKS = 3;
    static final int BYE = 4;
    static final int FAILED = 5;
    static final int DUMP = 6;

    private static final Logger LOG = LoggerFactory.getLogger(FailureChannel.class);
    private static final long SOON_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final Duration FIRST = Duration.ofSeconds(2);
    private static final Duration FLUSH = Duration.ofSeconds(1);

    private final Heartbeats heartbeats;
    private final Hello me;
    private final ClientLink link;
    private final RankProgress progress;
    private final Map<Thread, Boolean> threads = new ConcurrentHashMap<>();
    private final List<Consumer<CommunicationException>> listeners = new ArrayList<>();
    private final CountDownLatch decided = new CountDownLatch(1);

    /** Both are guarded by the list of listeners. */
    private @Nullable CommunicationException failure;

    private boolean closed;

    /** These are the link's thread's. */
    private @Nullable Beat serversRank;

    private long heard;
    private long checked;
    private volatile long sent;

    private volatile boolean serverLost;

    /** Whether a heartbeat is about to be sent. */
    private final AtomicBoolean later = new AtomicBoolean();

    private FailureChannel(Heartbeats heartbeats, Hello me, ClientLink link) {
        this.heartbeats = heartbeats;
        this.me = me;
        this.link = link;
        this.progress = new RankProgress(heartbeats, System::nanoTime);
    }

    /**
     * Connects; {@link TcpStore#failureChannel} does it with what a store knows.
     *
     * @param address where the job's store is served
     * @param token the job's token
     * @param options who this is: the rank is watched from now on; rank -1 only listens
     * @param deadline how long to try
     * @return the channel
     * @throws StoreConnectionException if nothing answers in time
     * @throws HandshakeException if the server refuses this process
     */
    public static FailureChannel connect(
            InetSocketAddress address, JobToken token, StoreOptions options, Duration deadline) {
        Hello me = Hello.of(PURPOSE, options.job(), options.generation(), options.rank());
        ClientLink link = ClientLink.connect(address, token, me, options, deadline);
        FailureChannel channel = new FailureChannel(options.heartbeats(), me, link);
        channel.heard = System.nanoTime();
        channel.checked = channel.heard;
        link.listen(channel::received, channel::lost);
        link.loop().execute(channel::tick);
        return channel;
    }

    /**
     * Says where this rank is; it counts as progress. Cheap, never blocks. The calling thread's
     * stack is shown if the rank stalls.
     *
     * @param phase what the rank is doing; the first word chooses the stall timeout. A rank that is
     *     {@code waiting} waits for others, beside collectives
     * @param step the step it is about to do, counted since the start of training
     */
    public void progress(String phase, long step) {
        threads.putIfAbsent(Thread.currentThread(), true);
        progress.at(phase, step);
        beatSoon();
    }

    /**
     * Says that this rank waits for others in a collective.
     *
     * @param call what it asked for
     */
    public void waiting(Fingerprint call) {
        progress.waiting(call);
    }

    /**
     * Says that a collective has ended on this rank, and that it waits for nobody now; it counts as
     * progress.
     *
     * @param call what it had asked for
     */
    public void finished(Fingerprint call) {
        progress.finished(call);
    }

    /**
     * Sends a heartbeat at once, or, if one was just sent, a little later: what a rank says last,
     * before it dies in a long step, must not be what is lost.
     */
    private void beatSoon() {
        long since = System.nanoTime() - sent;
        if (since > SOON_NANOS) {
            sent = System.nanoTime();
            link.loop().execute(this::beat);
        } else if (later.compareAndSet(false, true)) {
            Duration wait = Duration.ofNanos(SOON_NANOS - since);
            link.loop().execute(() -> link.loop().schedule(wait, this::beat));
        }
    }

    /** Sends a heartbeat, on the link's thread. */
    private void beat() {
        later.set(false);
        sent = System.nanoTime();
        threads.keySet().removeIf(thread -> !thread.isAlive());
        if (me.rank() >= 0) {
            link.send(progress.beat().write(new MessageWriter().int8(BEAT)));
        }
    }

    private void tick() {
        long now = System.nanoTime();
        long gap = now - checked;
        checked = now;
        // The server learns of shorter heartbeats by the first of them.
        Duration limit =
                serversRank == null && heartbeats.silence().compareTo(FIRST) < 0
                        ? FIRST
                        : heartbeats.silence();
        long silence = limit.toNanos();
        if (gap > silence / 2) {
            // It was this process that slept, so the silence of the server means nothing.
            heard += gap;
        }
        if (now - heard > silence) {
            lost(
                    new IOException(
                            "no heartbeat of the server for more than "
                                    + limit.toMillis()
                                    + " ms"));
        }
        beat();
        Duration often = heartbeats.interval();
        link.loop().schedule(often, this::tick);
    }

    private void received(byte[] frame) throws IOException {
        heard = System.nanoTime();
        MessageReader in = new MessageReader(frame);
        int type = in.int8();
        switch (type) {
            case BEAT -> serversRank = Beat.read(in);
            case FAILED -> fail(FailureCodec.read(in));
            case DUMP ->
                    link.send(
                            new MessageWriter()
                                    .int8(STACKS)
                                    .text(in.text())
                                    .texts(ThreadStacks.of(threads.keySet())));
            default -> throw new MalformedMessageException("a message of type " + type);
        }
    }

    /** The server is gone: if a rank's process was it, then that rank has failed. */
    private void lost(Exception why) {
        serverLost = true;
        Hello server = link.server();
        if (server.rank() >= 0) {
            Beat last = serversRank == null ? Beat.none(heartbeats) : serversRank;
            fail(
                    RankFailedException.of(
                            "world",
                            server.rank(),
                            server.host(),
                            server.pid(),
                            last.step(),
                            last.describe(),
                            RemoteCauseException.seen(
                                    "the store that it serves is gone ("
                                            + why.getMessage()
                                            + ")")));
        } else {
            fail(StoreLostException.of("world", server.describe(), why.getMessage()));
        }
    }

    /** Tells whether the server does not answer any more, so that nothing can be asked of it. */
    boolean isServerLost() {
        return serverLost;
    }

    private void fail(CommunicationException newFailure) {
        List<Consumer<CommunicationException>> told;
        synchronized (listeners) {
            if (closed || failure != null) {
                return;
            }
            failure = newFailure;
            told = List.copyOf(listeners);
        }
        decided.countDown();
        told.forEach(listener -> tell(listener, newFailure));
    }

    private static void tell(
            Consumer<CommunicationException> listener, CommunicationException failure) {
        try {
            listener.accept(failure);
        } catch (RuntimeException | Error e) {
            LOG.error("a listener of the failure channel failed", e);
        }
    }

    /**
     * Reports that this rank fails. What is told to all, here too, is the first root cause of any
     * rank: a failure that only says that another rank has failed, or left, is a consequence of
     * what that one reports. Never blocks.
     *
     * @param cause why; a {@link CommunicationException}, or what stems from one, is passed on as
     *     it is, anything else as a {@link RankFailedException} that names this rank
     */
    public void report(Throwable cause) {
        CommunicationException known = FailureCodec.asCommunication(cause, me, progress.beat());
        boolean consequence =
                known instanceof StoreLostException
                        || known instanceof RankFailedException other
                                && (other.rank() != me.rank()
                                        || other.getCause() instanceof CommunicatorClosedException);
        MessageWriter message = new MessageWriter().int8(REPORT).int8(consequence ? 1 : 0);
        FailureCodec.write(message, known);
        link.send(message);
    }

    /**
     * Reports a failure, and waits for what is decided.
     *
     * @param cause why this rank fails
     * @param deadline how long to wait
     * @return the root cause, the same on all ranks; this rank's own failure if nothing is decided
     *     in time
     */
    public CommunicationException settle(Throwable cause, Duration deadline) {
        report(cause);
        boolean interrupted = Thread.interrupted();
        try {
            if (!decided.await(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.debug("no decision within {}", deadline);
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return failure().orElseGet(() -> FailureCodec.asCommunication(cause, me, progress.beat()));
    }

    /**
     * Registers who is told of the failure of the job, once, on a thread of the channel that must
     * not be held up; at once if it has failed already.
     *
     * @param listener gets the root cause
     */
    public void onFailure(Consumer<CommunicationException> listener) {
        CommunicationException known;
        synchronized (listeners) {
            known = failure;
            if (known == null) {
                listeners.add(listener);
            }
        }
        if (known != null) {
            tell(listener, known);
        }
    }

    /**
     * Returns what the job has failed of.
     *
     * @return the root cause, empty while all is well
     */
    public Optional<CommunicationException> failure() {
        synchronized (listeners) {
            return Optional.ofNullable(failure);
        }
    }

    /**
     * Watches a communicator: what its rank does goes into the heartbeats, what it fails of is
     * reported, and each of its failures ends with the root cause that all ranks are told. A
     * failure of another rank aborts it.
     *
     * @param communicator the group of all ranks
     * @param after closed once the communicator is closed, such as the connection to the store
     * @return the communicator to use instead
     */
    public Communicator watch(Communicator communicator, AutoCloseable after) {
        onFailure(communicator::abort);
        return new WatchedCommunicator(communicator, this, after);
    }

    /**
     * Leaves in an orderly way: what follows is no failure of this rank, and none of the others is
     * told here. Idempotent.
     */
    @Override
    public void close() {
        synchronized (listeners) {
            closed = true;
        }
        link.closeAfter(new MessageWriter().int8(BYE), FLUSH);
    }
}
