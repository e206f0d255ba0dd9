package org.yoloddp.launch;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.launch.JobState.Phase;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.NodeState.Request;

/**
 * Runs the workers of one node as node 0 says, and tells node 0 how they are. One thread does all,
 * in short turns: it looks at the workers, tells and asks, acts, and pauses; it never waits for a
 * worker.
 */
final class Agent {

    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);

    private static final Duration BEAT = Duration.ofSeconds(1);
    private static final Duration FAREWELL = Duration.ofSeconds(5);

    /**
     * What an agent works with.
     *
     * @param ticker its clock
     * @param factory starts processes
     * @param files log files and such
     * @param environment of the workers
     * @param board shared with the other nodes
     * @param stops what others ask for
     */
    record Tools(
            Ticker ticker,
            WorkerProcess.Factory factory,
            LaunchFiles files,
            WorkerEnvironment environment,
            Board board,
            StopRequests stops) {}

    private final Settings settings;
    private final Tools tools;
    private final Ticker ticker;
    private final String storeAddress;
    private final String name;
    private final String host;
    private final @Nullable Leader leader;

    private @Nullable LocalWorkers workers;
    private int generation = -1;
    private int started;
    private long beat;
    private long lastBeat;
    private @Nullable NodeState told;
    private @Nullable JobState job;
    private boolean interrupted;

    /**
     * Prepares a node.
     *
     * @param settings of the job
     * @param tools what it works with
     * @param name a random name of this launcher
     * @param host this host's name
     * @param storeAddress where node 0 is, for messages
     * @param leader decides, on node 0; null on others
     */
    Agent(
            Settings settings,
            Tools tools,
            String name,
            String host,
            String storeAddress,
            @Nullable Leader leader) {
        this.settings = settings;
        this.tools = tools;
        this.ticker = tools.ticker();
        this.name = name;
        this.host = host;
        this.storeAddress = storeAddress;
        this.leader = leader;
    }

    /** Runs until the job has ended, or this node has left it; no worker is left then. */
    LaunchReport run() {
        try {
            join();
            while (true) {
                Optional<LaunchReport> end = turn();
                if (end.isPresent()) {
                    return end.get();
                }
                pause();
            }
        } finally {
            if (workers != null) {
                workers.kill(ticker.nanos());
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void join() {
        if (leader != null) {
            tools.board().open();
            exchange(ticker.nanos());
        } else {
            JobState first = tools.board().job(settings.timing().join());
            LOG.debug("job {} is {}", first.runId(), first.phase());
        }
        NodeState mine = state(ticker.nanos());
        Optional<NodeState> other = tools.board().claim(mine);
        if (other.isEmpty() || other.get().phase() == NodeState.Phase.GONE) {
            return;
        }
        // Whoever has this place may have vanished.
        NodeState before = other.get();
        long end = ticker.nanos() + settings.timing().node().toNanos();
        while (ticker.nanos() < end) {
            pause();
            for (NodeState now : tools.board().nodes()) {
                boolean same = now.agent().equals(before.agent());
                if (now.nodeRank() == settings.nodeRank() && same && now.beat() != before.beat()) {
                    throw LaunchException.sameNodeRank(settings.nodeRank(), now.host());
                }
            }
        }
    }

    private Optional<LaunchReport> turn() {
        long now = ticker.nanos();
        if (workers != null) {
            workers.poll(now);
            if (tools.stops().killed()) {
                workers.kill(now);
            }
        }
        JobState next;
        try {
            tell(now);
            next = exchange(now);
        } catch (LaunchException e) {
            throw e;
        } catch (RuntimeException e) {
            if (leader == null) {
                hearWorkersOut();
                throw LaunchException.leaderLost(storeAddress, e);
            }
            throw e;
        }
        act(next, now);
        return end(next);
    }

    /** Leaves the workers a moment to notice by themselves that the job's store is gone. */
    private void hearWorkersOut() {
        LocalWorkers current = workers;
        long end = ticker.nanos() + settings.timing().notice().toNanos();
        while (current != null && !current.allEnded() && ticker.nanos() < end) {
            pause();
            current.poll(ticker.nanos());
            if (tools.stops().killed()) {
                return;
            }
        }
    }

    private void pause() {
        ticker.pause(settings.timing().monitorInterval());
        if (Thread.interrupted()) {
            interrupted = true;
            tools.stops().stop(StopSignal.INTERRUPT);
        }
    }

    /** Tells node 0 what is new, or that this node lives. */
    private void tell(long now) {
        NodeState state = state(now);
        boolean news = told == null || !sameNews(told, state);
        if (news || now - lastBeat >= BEAT.toNanos()) {
            tools.board().publish(state);
            told = state;
            lastBeat = now;
            beat++;
        }
    }

    private NodeState state(long now) {
        LocalWorkers current = workers;
        return new NodeState(
                name,
                settings.nodeRank(),
                host,
                settings.processes(),
                beat,
                phase(),
                generation,
                request(),
                current == null ? List.of() : current.failures(now),
                current == null ? List.of() : current.left());
    }

    private NodeState.Phase phase() {
        if (workers == null) {
            return NodeState.Phase.WAITING;
        }
        if (workers.allWell()) {
            return NodeState.Phase.DONE;
        }
        return workers.isStopping() && workers.allEnded()
                ? NodeState.Phase.STOPPED
                : NodeState.Phase.RUNNING;
    }

    private Request request() {
        if (tools.stops().signal().isEmpty()) {
            return Request.NONE;
        }
        return leader == null && settings.nodes().elastic() ? Request.LEAVE : Request.STOP;
    }

    private static boolean sameNews(NodeState a, NodeState b) {
        return a.phase() == b.phase()
                && a.generation() == b.generation()
                && a.request() == b.request()
                && a.failures().size() == b.failures().size()
                && a.left().size() == b.left().size();
    }

    private JobState exchange(long now) {
        JobState next;
        if (leader == null) {
            next = tools.board().job(settings.timing().node());
        } else {
            next = leader.step(tools.board().nodes(), now);
            if (!next.equals(job)) {
                tools.board().publish(next);
            }
        }
        job = next;
        return next;
    }

    private void act(JobState next, long now) {
        LocalWorkers current = workers;
        switch (next.phase()) {
            case GATHERING -> {
                if (current != null && current.allEnded()) {
                    workers = null;
                } else if (current != null) {
                    current.stop(StopSignal.TERMINATE, settings.timing().stop(), now);
                }
            }
            case RUNNING -> {
                Optional<Integer> place = next.groupRank(name);
                if (place.isPresent() && next.generation() > generation) {
                    start(next, place.get(), now);
                }
            }
            case STOPPING, ENDED -> {
                if (current != null) {
                    current.stop(
                            tools.stops().signal().orElse(StopSignal.TERMINATE),
                            next.gentle()
                                    ? settings.timing().interrupt()
                                    : settings.timing().stop(),
                            now);
                }
            }
        }
    }

    private void start(JobState next, int place, long now) {
        if (workers != null) {
            workers.kill(now); // of a generation that this node has slept through
        }
        generation = next.generation();
        started++;
        workers = new LocalWorkers(settings, next, place, tools.files());
        workers.start(tools.factory(), tools.environment(), now);
    }

    private Optional<LaunchReport> end(JobState next) {
        if (workers != null && !workers.allEnded()) {
            return Optional.empty();
        }
        boolean leaving = request() == Request.LEAVE && next.phase() != Phase.RUNNING;
        if (next.phase() != Phase.ENDED && !leaving) {
            return Optional.empty();
        }
        sayGoodbye();
        if (next.present() != null) {
            throw LaunchException.nodesMissing(
                    settings.nodes(), next.present(), settings.timing().join());
        }
        Outcome outcome = next.outcome() == null ? Outcome.LEFT : next.outcome();
        return Optional.of(new LaunchReport(outcome, next.restarts(), started, next.failures()));
    }

    /** Others read the job's end before its store is closed. */
    private void sayGoodbye() {
        if (leader == null) {
            NodeState last = state(ticker.nanos());
            try {
                tools.board()
                        .publish(
                                new NodeState(
                                        name,
                                        last.nodeRank(),
                                        host,
                                        last.processes(),
                                        beat + 1,
                                        NodeState.Phase.GONE,
                                        generation,
                                        last.request(),
                                        last.failures(),
                                        last.left()));
            } catch (StoreTimeoutException e) {
                LOG.debug("node 0 has gone first", e);
            }
            return;
        }
        long end = ticker.nanos() + FAREWELL.toNanos();
        while (ticker.nanos() < end) {
            long now = ticker.nanos();
            leader.step(tools.board().nodes(), now);
            if (leader.allGone(now)) {
                return;
            }
            pause();
        }
        LOG.warn("not all nodes have taken notice of the job's end");
    }
}
