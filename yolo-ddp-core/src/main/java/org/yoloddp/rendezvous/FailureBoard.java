package org.yoloddp.rendezvous;

import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;

/**
 * The server's side of the failure channel: the one place where it is decided what a job failed of.
 * Used by the server's thread.
 *
 * <p>The root cause is the first report that is no consequence of another failure. A rank that only
 * says that it lost another one is a consequence: it is believed if nothing better comes within a
 * moment, since the process that died is noticed here as well.
 *
 * <p>A launcher sees what no connection shows: that a rank ended before it had connected, or after
 * it had left. What it says counts unless something was decided before; only of the same rank other
 * words may be better, which are on their way as long as its connection is open. An end in good
 * order is no failure, but that rank will not come any more to who waits for it.
 */
final class FailureBoard implements Service {

    private static final Logger LOG = LoggerFactory.getLogger(FailureBoard.class);
    private static final Duration ACCUSATION = Duration.ofMillis(400);
    private static final Duration LAST_WORDS = Duration.ofMillis(400);
    private static final Duration DUMP = Duration.ofSeconds(2);

    /** The ranks of one generation, and what became of them. */
    private final class Job {
        final int generation;
        final FailureDetector detector;
        final Map<Connection, Boolean> members = new LinkedHashMap<>();
        final Map<Integer, Connection> ranks = new HashMap<>();

        /** Ranks that were there when the last of those that are now came, or are that one. */
        final Set<Integer> met = new HashSet<>();

        /** Ranks whose processes have ended in good order. */
        final Map<Integer, RankFailedException> left = new TreeMap<>();

        @Nullable CommunicationException decided;
        @Nullable CommunicationException accusation;
        @Nullable RankFailedException seen;
        int dumping = -1;

        Job(int generation) {
            this.generation = generation;
            this.detector = new FailureDetector(heartbeats, nanoTime);
        }
    }

    private final EventLoop loop;
    private final Heartbeats heartbeats;
    private final LongSupplier nanoTime;
    private final int serverRank;
    private final StoreServer.FailureListener report;
    private final Map<Integer, Job> jobs = new HashMap<>();

    FailureBoard(
            EventLoop loop,
            Heartbeats heartbeats,
            int serverRank,
            LongSupplier nanoTime,
            StoreServer.FailureListener report) {
        this.loop = loop;
        this.heartbeats = heartbeats;
        this.serverRank = serverRank;
        this.nanoTime = nanoTime;
        this.report = report;
    }

    /** Begins to watch; on the loop's thread. */
    void start() {
        check();
        Duration shortest =
                jobs.values().stream()
                        .map(job -> job.detector.interval())
                        .min(Duration::compareTo)
                        .orElse(heartbeats.interval());
        Duration often = shortest.dividedBy(4);
        loop.schedule(often.isZero() ? Duration.ofMillis(1) : often, this::start);
    }

    private void check() {
        for (Job job : jobs.values()) {
            if (job.decided == null) {
                job.detector.check().ifPresent(suspect -> suspect(job, suspect));
            }
            Beat own = job.detector.last(serverRank);
            for (Connection member : job.members.keySet().toArray(new Connection[0])) {
                member.send(own.write(new MessageWriter().int8(FailureChannel.BEAT)));
            }
        }
    }

    @Override
    public Optional<String> objection(Hello client) {
        Job job = jobs.get(client.generation());
        Connection other = job == null ? null : job.ranks.get(client.rank());
        return other == null
                ? Optional.empty()
                : Optional.of(
                        client.describe()
                                + " has come, but "
                                + other.peer().describe()
                                + " is connected already");
    }

    @Override
    public void begin(int generation) {
        jobs.keySet().removeIf(old -> old >= 0 && old < generation);
    }

    @Override
    public void opened(Connection connection) {
        Hello peer = connection.peer();
        Job job = jobs.computeIfAbsent(peer.generation(), Job::new);
        job.members.put(connection, true);
        if (peer.rank() >= 0) {
            job.met.retainAll(job.ranks.keySet());
            job.met.add(peer.rank());
            job.ranks.put(peer.rank(), connection);
            job.detector.connected(peer.rank());
        }
        if (job.decided != null) {
            tell(connection, job.decided);
        } else {
            endVainWaits(job);
        }
    }

    @Override
    public void received(Connection connection, byte[] frame) throws IOException {
        Hello peer = connection.peer();
        Job job = jobs.get(peer.generation());
        if (job == null) {
            throw new IOException("generation " + peer.generation() + " has ended");
        }
        MessageReader in = new MessageReader(frame);
        int type = in.int8();
        switch (type) {
            case FailureChannel.BEAT -> {
                Beat beat = Beat.read(in);
                if (peer.rank() >= 0 && job.ranks.get(peer.rank()) == connection) {
                    job.detector.heard(peer.rank(), beat);
                }
            }
            case FailureChannel.REPORT -> {
                boolean consequence = in.int8() != 0;
                reported(job, consequence, FailureCodec.read(in));
            }
            case FailureChannel.STACKS -> {
                if (job.dumping == peer.rank()) {
                    stalled(job, peer.rank(), in.text(), in.texts());
                }
            }
            case FailureChannel.BYE -> leave(job, connection);
            default -> throw new MalformedMessageException("a report of type " + type);
        }
    }

    private static void leave(Job job, Connection connection) {
        Hello peer = connection.peer();
        job.members.remove(connection);
        if (job.ranks.remove(peer.rank(), connection)) {
            job.detector.forget(peer.rank());
        }
    }

    @Override
    public void closed(Connection connection, Exception why) {
        Job job = jobs.get(connection.peer().generation());
        if (job == null || !job.members.containsKey(connection)) {
            return;
        }
        int rank = connection.peer().rank();
        Beat last = job.detector.last(rank);
        leave(job, connection);
        if (rank >= 0 && !loop.isClosed()) {
            LOG.debug("the channel of rank {} ended: {}", rank, why.toString());
            decide(job, failed(connection.peer(), last, null, List.of()));
        }
    }

    /**
     * Takes what a launcher saw of a rank; on the loop's thread. Once this has run, no end of
     * another rank is taken for the cause.
     */
    void ended(int generation, int rank, String host, long pid, String how) {
        Job job = jobs.computeIfAbsent(generation, Job::new);
        if (job.decided != null || job.seen != null) {
            return;
        }
        RankFailedException failure = gone(job, rank, host, pid, how);
        job.seen = failure;
        if (job.ranks.containsKey(rank)) {
            loop.schedule(LAST_WORDS, () -> decide(job, failure));
        } else {
            decide(job, failure);
        }
    }

    /**
     * Takes that a rank's process has ended in good order; on the loop's thread. Those that came
     * after it had gone, or before it could come, would wait for it.
     */
    void left(int generation, int rank, String host, long pid, String how) {
        Job job = jobs.computeIfAbsent(generation, Job::new);
        job.left.put(rank, gone(job, rank, host, pid, how));
        endVainWaits(job);
    }

    /** Fails ranks that have come when another, which has ended since, was not there. */
    private void endVainWaits(Job job) {
        if (!job.ranks.isEmpty()) {
            job.left.entrySet().stream()
                    .filter(entry -> !job.met.contains(entry.getKey()))
                    .findFirst()
                    .ifPresent(entry -> decide(job, entry.getValue()));
        }
    }

    private static RankFailedException gone(Job job, int rank, String host, long pid, String how) {
        Beat last = job.detector.last(rank);
        return RankFailedException.of(
                "world",
                rank,
                host,
                pid,
                last.step(),
                last.describe(),
                RemoteCauseException.seen(how));
    }

    private static RankFailedException failed(
            Hello peer, Beat last, @Nullable Throwable cause, List<String> stacks) {
        return RankFailedException.of(
                "world",
                peer.rank(),
                peer.host(),
                peer.pid(),
                last.step(),
                last.describe(),
                cause,
                stacks);
    }

    private void suspect(Job job, FailureDetector.Suspect suspect) {
        Connection connection = job.ranks.get(suspect.rank());
        if (connection == null || job.dumping == suspect.rank()) {
            return;
        }
        if (suspect.stalls()) {
            job.dumping = suspect.rank();
            connection.send(new MessageWriter().int8(FailureChannel.DUMP).text(suspect.text()));
            loop.schedule(DUMP, () -> stalled(job, suspect.rank(), suspect.text(), List.of()));
        } else {
            decide(
                    job,
                    failed(
                            connection.peer(),
                            job.detector.last(suspect.rank()),
                            RemoteCauseException.seen(suspect.text()),
                            List.of()));
        }
    }

    private void stalled(Job job, int rank, String text, List<String> stacks) {
        Connection connection = job.ranks.get(rank);
        if (connection != null && job.decided == null) {
            decide(
                    job,
                    failed(
                            connection.peer(),
                            job.detector.last(rank),
                            RemoteCauseException.seen(text),
                            stacks));
        }
    }

    private void reported(Job job, boolean consequence, CommunicationException failure) {
        if (!consequence) {
            decide(job, failure);
        } else if (job.decided == null && job.accusation == null) {
            job.accusation = failure;
            loop.schedule(ACCUSATION, () -> decide(job, failure));
        }
    }

    /** The first decision stays. */
    private void decide(Job job, CommunicationException latest) {
        if (job.decided != null) {
            return;
        }
        boolean same =
                job.seen == null
                        || latest instanceof RankFailedException named
                                && named.rank() == job.seen.rank();
        CommunicationException failure = same ? latest : job.seen;
        job.decided = failure;
        LOG.error("generation {} failed: {}", Math.max(0, job.generation), failure.getMessage());
        if (failure instanceof RankFailedException e) {
            e.threadStacks().forEach(stack -> LOG.error("{}", stack));
        }
        for (Connection member : job.members.keySet().toArray(new Connection[0])) {
            tell(member, failure);
        }
        report.failed(job.generation, failure);
    }

    private static void tell(Connection member, CommunicationException failure) {
        MessageWriter message = new MessageWriter().int8(FailureChannel.FAILED);
        FailureCodec.write(message, failure);
        member.send(message);
    }

    /** Tells whether ranks are connected still. */
    boolean isEmpty() {
        return jobs.values().stream().allMatch(job -> job.ranks.isEmpty());
    }
}
