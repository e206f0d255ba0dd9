package org.yoloddp.launch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.launch.JobState.Member;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.NodeState.Request;

/**
 * Decides for all nodes what is to be done, from what they tell. It knows neither processes nor
 * sockets: states go in, a state comes out.
 *
 * <p>A job goes round: nodes gather, their workers run, they stop, and then all is over or the next
 * generation gathers. A generation ends for a failure, for a node that leaves, joins or is lost, or
 * since someone asks for the end.
 */
final class Leader {

    /** How long the rank that others blame has to tell its own story. */
    static final Duration SETTLE = Duration.ofSeconds(3);

    /** A node tells something every second; after that much silence it may be lost. */
    private static final Duration SILENCE = Duration.ofSeconds(2);

    private static final Logger LOG = LoggerFactory.getLogger(Leader.class);

    /** Why a generation stops. */
    private enum Reason {
        FAILURE,
        MEMBERSHIP,
        INTERRUPT
    }

    private final Settings settings;
    private final IntUnaryOperator masterPort;
    private final RankChannel channel;
    private final Map<Integer, Sighting> seen = new HashMap<>();
    private final FailureLog failures = new FailureLog();
    private final Set<Integer> left = new HashSet<>();
    private JobState job;
    private Reason reason = Reason.FAILURE;
    private boolean clashForgiven;
    private boolean rootTold;
    private long gatheringSince;
    private long lastArrival;
    private int waitingBefore;

    /** When a node was heard of last. */
    private record Sighting(NodeState state, long nanos) {}

    /**
     * Begins with no node.
     *
     * @param settings of the job
     * @param runId its name
     * @param masterPort the workers' port by generation, asked for once for each
     * @param channel by which the ranks hear of failures
     * @param now the time
     */
    Leader(
            Settings settings,
            String runId,
            IntUnaryOperator masterPort,
            RankChannel channel,
            long now) {
        this.settings = settings;
        this.masterPort = masterPort;
        this.channel = channel;
        this.gatheringSince = now;
        this.lastArrival = now;
        this.job = JobState.begin(runId);
    }

    /** Takes what the nodes tell, and returns what they are to do. */
    JobState step(Collection<NodeState> nodes, long now) {
        for (NodeState node : nodes) {
            Sighting before = seen.get(node.nodeRank());
            boolean news =
                    before == null
                            || !before.state.agent().equals(node.agent())
                            || before.state.beat() != node.beat();
            seen.put(node.nodeRank(), news ? new Sighting(node, now) : before);
        }
        switch (job.phase()) {
            case GATHERING -> gather(now);
            case RUNNING -> watch(now);
            case STOPPING -> awaitStop(now);
            case ENDED -> {}
        }
        return job;
    }

    /** Whether all that are alive have read the end. */
    boolean allGone(long now) {
        return seen.values().stream()
                .filter(node -> node.state.nodeRank() != 0 && !isLost(node, now))
                .allMatch(node -> node.state.phase() == NodeState.Phase.GONE);
    }

    private void gather(long now) {
        List<Sighting> live = new ArrayList<>();
        for (Sighting node : seen.values()) {
            if (node.state.request() == Request.STOP) {
                end(Outcome.INTERRUPTED);
                return;
            }
            if (!isLost(node, now) && node.state.request() == Request.NONE) {
                live.add(node);
            }
        }
        List<NodeState> waiting =
                live.stream()
                        .map(Sighting::state)
                        .filter(node -> node.phase() == NodeState.Phase.WAITING)
                        .sorted(Comparator.comparingInt(NodeState::nodeRank))
                        .toList();
        if (waiting.size() != waitingBefore) {
            waitingBefore = waiting.size();
            lastArrival = now;
        }
        boolean leaderHere = !waiting.isEmpty() && waiting.get(0).nodeRank() == 0;
        boolean enough = leaderHere && waiting.size() >= settings.nodes().min();
        boolean all = waiting.size() == settings.nodes().max();
        // After a restart nobody new is waited for: who comes later causes another.
        boolean again = job.generation() > 0 && waiting.size() == live.size();
        boolean quiet = now - lastArrival >= settings.timing().lastCall().toNanos();
        if (enough && (all || again || quiet)) {
            run(waiting, now);
        } else if (now - gatheringSince >= settings.timing().join().toNanos()) {
            job = job.ended(Outcome.FAILED, waiting.stream().map(NodeState::nodeRank).toList());
        }
    }

    private void run(List<NodeState> waiting, long now) {
        List<Member> members =
                waiting.stream()
                        .map(
                                node ->
                                        new Member(
                                                node.nodeRank(),
                                                node.agent(),
                                                node.host(),
                                                node.processes()))
                        .toList();
        failures.clear();
        left.clear();
        rootTold = false;
        job = job.running(members, masterPort.applyAsInt(job.generation()));
        LOG.debug("generation {}: {}", job.generation(), members);
    }

    private void watch(long now) {
        boolean allDone = true;
        boolean interrupted = false;
        List<Member> lost = new ArrayList<>();
        boolean membership = false;
        for (Member member : job.members()) {
            Sighting node = sighting(member);
            if (node == null || isLost(node, now)) {
                lost.add(member);
                continue;
            }
            take(node.state, now);
            interrupted |= node.state.request() == Request.STOP;
            membership |= node.state.request() == Request.LEAVE;
            allDone &= isCurrent(node) && node.state.phase() == NodeState.Phase.DONE;
        }
        channel.decision(job.generation()).ifPresent(failure -> failures.decided(failure, now));
        tellRanks(false);
        if (interrupted) {
            stop(Reason.INTERRUPT);
        } else if (!lost.isEmpty()) {
            lost(lost);
        } else if (allDone) {
            end(Outcome.DONE);
        } else if (failures.isTold(job.worldSize()) || failures.isOverdue(now, patience(now))) {
            stop(Reason.FAILURE);
        } else if (failures.isEmpty() && (membership || hasNewcomer(now))) {
            stop(Reason.MEMBERSHIP);
        }
    }

    /** Takes who has ended: for one that did so in good order, others may still wait to come. */
    private void take(NodeState node, long now) {
        if (node.generation() != job.generation()) {
            return;
        }
        failures.add(node, now);
        Stream<WorkerFailure> asked =
                node.failures().stream().map(FailureNote::failure).filter(Leader::wasInterrupted);
        Stream.concat(node.left().stream(), asked)
                .filter(end -> left.add(end.rank()))
                .forEach(end -> channel.left(job.generation(), end));
    }

    private void lost(List<Member> lost) {
        if (settings.nodes().elastic()) {
            LOG.warn("lost {}: going on without", lost);
            stop(Reason.MEMBERSHIP);
            return;
        }
        for (Member member : lost) {
            failures.addLost(member, job, settings.timing().node());
        }
        stop(Reason.FAILURE);
    }

    /**
     * How long to wait for the story of a rank that others blame, or of the others; and for any
     * process to end at all, if ranks were told of a failure.
     */
    private Duration patience(long now) {
        if (failures.isDecided()) {
            return settings.timing().notice();
        }
        Sighting node = failures.blamed(job).map(this::sighting).orElse(null);
        boolean silent = node != null && now - node.nanos >= SILENCE.toNanos();
        return silent ? settings.timing().node().plus(SETTLE) : SETTLE;
    }

    private boolean hasNewcomer(long now) {
        return job.members().size() < settings.nodes().max()
                && seen.values().stream()
                        .anyMatch(
                                node ->
                                        node.state.phase() == NodeState.Phase.WAITING
                                                && node.state.request() == Request.NONE
                                                && job.groupRank(node.state.agent()).isEmpty()
                                                && !isLost(node, now));
    }

    /**
     * Lets the ranks know of a failure that is nobody else's fault: those that wait for a rank that
     * ended before it had connected learn it in no other way. An end that somebody has asked for
     * may be one of many in good order, which need no disturbance before all are stopped.
     */
    private void tellRanks(boolean stopping) {
        if (rootTold || !failures.isDecided()) {
            return;
        }
        WorkerFailure root = failures.ordered(job).get(0);
        if (stopping || !wasInterrupted(root)) {
            rootTold = true;
            channel.tell(job.generation(), root);
        }
    }

    private void stop(Reason why) {
        if (why == Reason.FAILURE) {
            // Now: what ends from here on is no cause.
            tellRanks(true);
        }
        reason = why;
        job = job.stopping(why != Reason.FAILURE);
    }

    private void awaitStop(long now) {
        for (Member member : job.members()) {
            Sighting node = sighting(member);
            if (node == null || isLost(node, now)) {
                continue;
            }
            take(node.state, now);
            boolean over =
                    switch (node.state.phase()) {
                        case DONE, STOPPED -> isCurrent(node);
                        case WAITING -> false;
                        case RUNNING -> false;
                        case GONE -> true;
                    };
            if (!over) {
                return;
            }
        }
        switch (reason) {
            case INTERRUPT -> end(Outcome.INTERRUPTED);
            case MEMBERSHIP -> gatherAgain(job.restarts(), now);
            case FAILURE -> afterFailure(now);
        }
    }

    private void afterFailure(long now) {
        List<WorkerFailure> found = failures.ordered(job);
        job = job.withFailures(found);
        WorkerFailure root = found.get(0);
        if (!settings.watchesInput() && !clashForgiven && isClash(found)) {
            clashForgiven = true;
            LOG.warn(
                    "port {} was taken by another program: once more, with another",
                    job.masterPort());
            gatherAgain(job.restarts(), now);
        } else if (settings.watchesInput() && wasInterrupted(root)) {
            end(Outcome.INTERRUPTED);
        } else if (job.restarts() < settings.maxRestarts()) {
            LOG.warn(
                    "restart {} of {}: {}",
                    job.restarts() + 1,
                    settings.maxRestarts(),
                    root.describe());
            gatherAgain(job.restarts() + 1, now);
        } else {
            end(Outcome.FAILED);
        }
    }

    /** Whether someone has asked that worker to end, which for our own programs ends all. */
    private static boolean wasInterrupted(WorkerFailure root) {
        return !root.consequence()
                && root.signal().filter(s -> s.equals("SIGINT") || s.equals("SIGTERM")).isPresent();
    }

    private static boolean isClash(List<WorkerFailure> found) {
        return found.stream()
                .anyMatch(
                        failure ->
                                failure.cause().contains("EADDRINUSE")
                                        || failure.cause().contains("ddress already in use"));
    }

    private void gatherAgain(int restarts, long now) {
        gatheringSince = now;
        lastArrival = now;
        waitingBefore = 0;
        job = job.gathering(restarts);
    }

    private void end(Outcome outcome) {
        job = job.ended(outcome, null);
    }

    private @Nullable Sighting sighting(Member member) {
        Sighting node = seen.get(member.nodeRank());
        return node == null || !node.state.agent().equals(member.agent()) ? null : node;
    }

    private boolean isCurrent(Sighting node) {
        return node.state.generation() == job.generation();
    }

    private boolean isLost(Sighting node, long now) {
        return now - node.nanos >= settings.timing().node().toNanos();
    }
}
