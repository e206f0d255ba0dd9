package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;
import org.yoloddp.launch.ErrorFile.Blame;
import org.yoloddp.launch.JobState.Member;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.NodeState.Phase;
import org.yoloddp.launch.NodeState.Request;
import org.yoloddp.rendezvous.StoreLostException;

/** What node 0 decides; nodes are what a test says they are, time is what it says it is. */
class LeaderTest {

    private final Map<Integer, NodeState> nodes = new TreeMap<>();
    private final Told channel = new Told();
    private Leader leader = leader("2", 1);
    private long seconds;
    private long beat;

    @Test
    void startsWhenAllNodesHaveComeAndEndsWhenAllAreDone() {
        waiting(0);
        assertThat(step().phase()).isEqualTo(JobState.Phase.GATHERING);
        waiting(1);
        JobState job = step();
        assertThat(job.phase()).isEqualTo(JobState.Phase.RUNNING);
        assertThat(job.members())
                .containsExactly(new Member(0, "a0", "h0", 2), new Member(1, "a1", "h1", 2));
        assertThat(job.worldSize()).isEqualTo(4);
        assertThat(job.firstRank(1)).isEqualTo(2);
        assertThat(job.masterPort()).isEqualTo(1000);
        put(0, Phase.DONE, 0);
        put(1, Phase.RUNNING, 0);
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        put(1, Phase.DONE, 0);
        assertThat(step().outcome()).isEqualTo(Outcome.DONE);
    }

    @Test
    void failureStopsAllAndStartsTheNextGenerationWithACount() {
        run(2);
        put(1, Phase.RUNNING, 0, note(3, 1, "boom", 0, null));
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(step().gentle()).isFalse();
        put(0, Phase.STOPPED, 0);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(1, Phase.STOPPED, 0);
        JobState next = step();
        assertThat(next.phase()).isEqualTo(JobState.Phase.GATHERING);
        assertThat(next.generation()).isEqualTo(1);
        assertThat(next.restarts()).isEqualTo(1);
        waiting(0);
        waiting(1);
        assertThat(step().masterPort()).isEqualTo(1001);
        put(0, Phase.STOPPED, 1, note(0, 0, "again", 0, null));
        put(1, Phase.STOPPED, 1);
        step();
        JobState end = step();
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.failures()).extracting(WorkerFailure::cause).containsExactly("again");
    }

    @Test
    void earliestFailureThatIsNoConsequenceIsTheRootCause() {
        run(2);
        // Rank 2 was the first to end, but only because of rank 1, and rank 3 is later than that.
        put(
                1,
                Phase.RUNNING,
                0,
                note(2, 1, "victim", 900, new Blame(1, "h0", 11)),
                note(3, 1, "later", 100, null));
        put(0, Phase.RUNNING, 0, note(1, 0, "culprit", 500, null));
        step();
        put(0, Phase.STOPPED, 0, note(1, 0, "culprit", 500, null));
        put(1, Phase.STOPPED, 0, nodes.get(1).failures().toArray(FailureNote[]::new));
        assertThat(step().failures())
                .extracting(WorkerFailure::cause)
                .containsExactly("culprit", "later", "victim");
    }

    @Test
    void consequenceWaitsForTheStoryOfTheRankThatItNames() {
        leader = leader("2", 0);
        run(2);
        put(1, Phase.RUNNING, 0, note(2, 1, "victim", 0, new Blame(1, "h0", 11)));
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        seconds += 1;
        put(0, Phase.RUNNING, 0, note(1, 0, "culprit", 0, null));
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0);
        put(1, Phase.STOPPED, 0);
        assertThat(step().failures())
                .extracting(WorkerFailure::cause)
                .containsExactly("culprit", "victim");
    }

    @Test
    void othersMayNoticeAFailureByThemselvesBeforeTheyAreStopped() {
        leader = leader("1", 0, Duration.ofSeconds(2));
        run(1);
        FailureNote culprit = note(1, 0, "culprit", 0, null);
        put(0, Phase.RUNNING, 0, culprit);
        step();
        seconds += 1;
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        FailureNote victim = note(0, 0, "victim", 0, new Blame(1, "h0", 11));
        put(0, Phase.RUNNING, 0, culprit, victim);
        assertThat(step().phase()).as("all have told").isEqualTo(JobState.Phase.STOPPING);

        leader = leader("1", 0, Duration.ofSeconds(2));
        run(1);
        put(0, Phase.RUNNING, 0, culprit);
        step();
        seconds += 2;
        put(0, Phase.RUNNING, 0, culprit);
        assertThat(step().phase()).as("time is over").isEqualTo(JobState.Phase.STOPPING);
    }

    @Test
    void rankThatNeverTellsItsStoryIsNamedByTheOthers() {
        leader = leader("2", 0);
        run(2);
        put(1, Phase.RUNNING, 0, note(2, 1, "rank 1 stalls", 0, new Blame(1, "h0", 11)));
        step();
        seconds += 2;
        put(0, Phase.RUNNING, 0);
        put(1, Phase.RUNNING, 0, nodes.get(1).failures().toArray(FailureNote[]::new));
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        seconds += 1;
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0);
        put(1, Phase.STOPPED, 0);
        assertThat(step().failures().get(0).describe())
                .isEqualTo(
                        "rank 1 (process 11 on h0) was stopped, since it no longer took part; last"
                                + " error line: rank 2 says: rank 1 stalls");
    }

    @Test
    void rankThatLeftWithExitCodeZeroIsToBlameToo() {
        leader = leader("1", 0);
        run(1);
        List<FailureNote> notes = List.of(note(0, 0, "rank 1 vanished", 0, new Blame(1, "h0", 11)));
        nodes.put(
                0,
                new NodeState(
                        "a0",
                        0,
                        "h0",
                        2,
                        ++beat,
                        Phase.STOPPED,
                        0,
                        Request.NONE,
                        notes,
                        List.of(left(1, 0))));
        step();
        seconds += 3;
        heartbeats();
        step();
        assertThat(step().failures().get(0).describe())
                .startsWith(
                        "rank 1 (process 11 on h0) ended with exit code 0 while the others still"
                                + " needed it; last error line: rank 0 says: rank 1 vanished");
    }

    @Test
    void lostNodeFailsAJobOfFixedSize() {
        leader = leader("2", 0);
        run(2);
        seconds += 10;
        put(0, Phase.RUNNING, 0);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0);
        JobState end = step();
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.failures().get(0).describe())
                .isEqualTo(
                        "rank 2 (on h1) is lost with its node;"
                                + " the launcher of node 1 has not been heard of for 10 s");
    }

    @Test
    void lostNodeOfAnElasticJobIsNoFailureNorIsWhatFollowsFromIt() {
        leader = leader("1:2", 0);
        run(2);
        // Rank 0 blames rank 2 at once; that node's silence shows only later.
        seconds += 2;
        FailureNote consequence = note(0, 0, "rank 2 vanished", 0, new Blame(2, "h1", 22));
        for (int i = 0; i < 8; i++) {
            put(0, Phase.RUNNING, 0, consequence);
            assertThat(step().phase()).as("second %d", seconds).isEqualTo(JobState.Phase.RUNNING);
            seconds++;
        }
        put(0, Phase.RUNNING, 0, consequence);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0, consequence);
        assertThat(step().phase()).isEqualTo(JobState.Phase.GATHERING);
        waiting(0);
        JobState next = step();
        assertThat(next.phase()).isEqualTo(JobState.Phase.RUNNING);
        assertThat(next.restarts()).isZero();
        assertThat(next.generation()).isEqualTo(1);
        assertThat(next.members()).hasSize(1);
    }

    @Test
    void nodesJoinAndLeaveAtRestartsThatAreNotCounted() {
        leader = leader("1:2", 0);
        waiting(0);
        step();
        seconds += 29;
        heartbeats();
        assertThat(step().phase()).isEqualTo(JobState.Phase.GATHERING);
        seconds += 1;
        heartbeats();
        assertThat(step().phase()).as("the last call is over").isEqualTo(JobState.Phase.RUNNING);
        put(0, Phase.RUNNING, 0);
        waiting(1);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(step().gentle()).isTrue();
        put(0, Phase.STOPPED, 0);
        step();
        waiting(0);
        assertThat(step().members()).hasSize(2);
        put(0, Phase.RUNNING, 1);
        nodes.put(
                1,
                new NodeState(
                        "a1",
                        1,
                        "h1",
                        2,
                        ++beat,
                        Phase.RUNNING,
                        1,
                        Request.LEAVE,
                        List.of(),
                        List.of()));
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 1);
        nodes.put(
                1,
                new NodeState(
                        "a1",
                        1,
                        "h1",
                        2,
                        ++beat,
                        Phase.GONE,
                        1,
                        Request.LEAVE,
                        List.of(),
                        List.of()));
        step();
        waiting(0);
        JobState last = step();
        assertThat(last.phase()).isEqualTo(JobState.Phase.RUNNING);
        assertThat(last.generation()).isEqualTo(2);
        assertThat(last.restarts()).isZero();
        assertThat(last.members()).hasSize(1);
    }

    @Test
    void givesUpWaitingForNodes() {
        leader = leader("3", 0);
        for (int i = 0; i < 60; i++) {
            waiting(0);
            waiting(2);
            assertThat(step().phase()).isEqualTo(JobState.Phase.GATHERING);
            seconds++;
        }
        JobState end = step();
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.present()).containsExactly(0, 2);
        assertThat(
                        LaunchException.nodesMissing(
                                NodeRange.of(3), List.of(0, 2), Duration.ofMinutes(1)))
                .hasMessage(
                        "within 60 s only 2 of 3 nodes have come, with node ranks [0, 2]; start the"
                                + " launcher on the others, with the same master address and token,"
                                + " or raise the join timeout");
    }

    @Test
    void requestToStopEndsTheJobInGoodOrder() {
        run(2);
        nodes.put(
                1,
                new NodeState(
                        "a1",
                        1,
                        "h1",
                        2,
                        ++beat,
                        Phase.RUNNING,
                        0,
                        Request.STOP,
                        List.of(),
                        List.of()));
        JobState stopping = step();
        assertThat(stopping.phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(stopping.gentle()).isTrue();
        put(0, Phase.STOPPED, 0);
        put(1, Phase.STOPPED, 0);
        assertThat(step().outcome()).isEqualTo(Outcome.INTERRUPTED);
    }

    @Test
    void jobOfWhichNobodyIsLeftToEndIsEndedByWhatItsRanksWereTold() {
        leader = leader("2", 1);
        run(2);
        channel.decisions.put(1, stopped(2));
        seconds += 5;
        heartbeats();
        assertThat(step().phase()).as("of another start").isEqualTo(JobState.Phase.RUNNING);
        channel.decisions.put(0, stopped(3));
        for (int second = 0; second < 3; second++) {
            heartbeats();
            assertThat(step().phase()).as("second %d", second).isEqualTo(JobState.Phase.RUNNING);
            seconds += 1;
        }
        heartbeats();
        JobState stopping = step();
        assertThat(stopping.phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(stopping.gentle()).isFalse();
        put(0, Phase.STOPPED, 0);
        put(1, Phase.STOPPED, 0);
        JobState next = step();
        assertThat(next.phase()).isEqualTo(JobState.Phase.GATHERING);
        assertThat(next.restarts()).isEqualTo(1);
        assertThat(next.failures())
                .singleElement()
                .satisfies(root -> assertThat(root.localRank()).isEqualTo(1))
                .satisfies(root -> assertThat(root.nodeRank()).isEqualTo(1))
                .extracting(WorkerFailure::describe)
                .isEqualTo(
                        "rank 3 (process 13 on h1) was stopped, since it no longer took part; last"
                                + " error line: the job's store says: RankFailedException: "
                                + stopped(3).getMessage());
        assertThat(channel.told).as("the ranks know").isEmpty();
        waiting(0);
        waiting(1);
        assertThat(step().generation()).isEqualTo(1);
        seconds += 2;
        put(0, Phase.RUNNING, 1);
        put(1, Phase.RUNNING, 1);
        assertThat(step().phase()).as("time begins anew").isEqualTo(JobState.Phase.RUNNING);
    }

    @Test
    void decisionThatNamesNobodyIsToldOfTheFirstRankThatIsThere() {
        leader = leader("1", 0);
        run(1);
        nodes.put(0, left(Phase.RUNNING, Request.NONE, left(0, 0)));
        channel.decisions.put(0, StoreLostException.of("world", "the server", "it is gone"));
        step();
        seconds += 3;
        heartbeats();
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0);
        assertThat(step().failures().get(0).describe())
                .startsWith(
                        "rank 1 (on h0) was stopped, since it no longer took part; last error line:"
                                + " the job's store says: StoreLostException: ");
    }

    @Test
    void workerThatEndsSaysMoreThanTheDecision() {
        leader = leader("1", 0);
        run(1);
        channel.decisions.put(0, stopped(1));
        step();
        seconds += 2;
        FailureNote victim = note(0, 0, "rank 1 is silent", 0, new Blame(1, "h0", 11));
        put(0, Phase.RUNNING, 0, victim);
        step();
        seconds += 2;
        put(0, Phase.RUNNING, 0, victim);
        assertThat(step().phase())
                .as("its time counts from the first end")
                .isEqualTo(JobState.Phase.RUNNING);
        seconds += 1;
        put(0, Phase.RUNNING, 0, victim);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0, victim);
        assertThat(step().failures())
                .extracting(WorkerFailure::cause)
                .containsExactly("rank 0 says: rank 1 is silent", "rank 1 is silent");
    }

    @Test
    void silenceOfALostNodesRanksIsNoFailureOfAnElasticJob() {
        leader = leader("1:2", 0);
        run(2);
        for (int second = 0; second < 10; second++) {
            if (second == 5) {
                channel.decisions.put(0, stopped(2));
            }
            put(0, Phase.RUNNING, 0);
            assertThat(step().phase()).as("second %d", second).isEqualTo(JobState.Phase.RUNNING);
            seconds++;
        }
        put(0, Phase.RUNNING, 0);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        put(0, Phase.STOPPED, 0);
        JobState next = step();
        assertThat(next.phase()).isEqualTo(JobState.Phase.GATHERING);
        assertThat(next.restarts()).isZero();
    }

    @Test
    void ranksAreToldOfAWorkerThatFailedByItselfAtOnceAndOnce() {
        leader = leader("2", 0, Duration.ofSeconds(2));
        run(2);
        put(0, Phase.RUNNING, 0, note(1, 0, "victim", 0, new Blame(3, "h1", 13)));
        step();
        assertThat(channel.told).as("that is a consequence").isEmpty();
        put(1, Phase.RUNNING, 0, note(2, 1, "culprit", 0, null));
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        assertThat(channel.told)
                .containsExactly("0: rank 2: it ended with exit code 1; last error line: culprit");
        seconds += 2;
        put(0, Phase.RUNNING, 0, nodes.get(0).failures().toArray(FailureNote[]::new));
        put(1, Phase.RUNNING, 0, nodes.get(1).failures().toArray(FailureNote[]::new));
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(channel.told).hasSize(1);
    }

    @Test
    void ranksAreToldOfAnEndThatSomebodyAskedForOnlyBeforeAllAreStopped() {
        leader = leader("1", 0, Duration.ofSeconds(2), true);
        run(1);
        FailureNote asked =
                new FailureNote(
                        new WorkerFailure(1, 1, 0, "h0", 11, 143, "", null, false), 0, null);
        put(0, Phase.RUNNING, 0, asked);
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        assertThat(channel.told).isEmpty();
        assertThat(channel.left)
                .as("for who waits for it to come")
                .containsExactly("0: rank 1: it was ended by SIGTERM (exit code 143)");
        seconds += 2;
        put(0, Phase.RUNNING, 0, asked);
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        assertThat(channel.told)
                .containsExactly("0: rank 1: it was ended by SIGTERM (exit code 143)");
        put(0, Phase.STOPPED, 0, asked);
        assertThat(step().outcome()).isEqualTo(Outcome.INTERRUPTED);
    }

    /** Who waits for them to come must know; whether somebody does, the channel sees. */
    @Test
    void ranksAreToldOnceOfEachThatEndedInGoodOrder() {
        leader = leader("1", 0);
        run(1);
        nodes.put(0, left(Phase.RUNNING, Request.NONE, left(1, 0)));
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        nodes.put(0, left(Phase.RUNNING, Request.STOP, left(1, 0)));
        assertThat(step().phase()).isEqualTo(JobState.Phase.STOPPING);
        nodes.put(0, left(Phase.STOPPED, Request.STOP, left(1, 0), left(0, 143)));
        assertThat(step().outcome()).isEqualTo(Outcome.INTERRUPTED);
        assertThat(channel.left)
                .containsExactly(
                        "0: rank 1: it ended with exit code 0 while the others still needed it",
                        "0: rank 0: it was ended by SIGTERM (exit code 143)");
        assertThat(channel.told).isEmpty();
    }

    private NodeState left(Phase phase, Request request, WorkerFailure... ends) {
        return new NodeState("a0", 0, "h0", 2, ++beat, phase, 0, request, List.of(), List.of(ends));
    }

    @Test
    void ranksAreToldOfALostNode() {
        leader = leader("2", 0);
        run(2);
        seconds += 10;
        put(0, Phase.RUNNING, 0);
        step();
        assertThat(channel.told)
                .containsExactly(
                        "0: rank 2: it is lost with its node; the launcher of node 1 has not been"
                                + " heard of for 10 s");
    }

    /** The channel of ranks that are said to be. */
    private static final class Told implements RankChannel {

        final Map<Integer, CommunicationException> decisions = new TreeMap<>();
        final List<String> told = new ArrayList<>();
        final List<String> left = new ArrayList<>();

        @Override
        public Optional<CommunicationException> decision(int generation) {
            return Optional.ofNullable(decisions.get(generation));
        }

        @Override
        public void tell(int generation, WorkerFailure root) {
            told.add(generation + ": rank " + root.rank() + ": " + root.how());
        }

        @Override
        public void left(int generation, WorkerFailure end) {
            left.add(generation + ": rank " + end.rank() + ": " + end.how());
        }
    }

    private static RankFailedException stopped(int rank) {
        return RankFailedException.of(
                "world",
                rank,
                "h" + rank / 2,
                10 + rank,
                7,
                "in phase 'train'",
                RemoteCauseException.seen("no heartbeat"));
    }

    /** Gathers that many nodes and lets them run. */
    private void run(int count) {
        for (int i = 0; i < count; i++) {
            waiting(i);
        }
        assertThat(step().phase()).isEqualTo(JobState.Phase.RUNNING);
        for (int i = 0; i < count; i++) {
            put(i, Phase.RUNNING, 0);
        }
        step();
    }

    private JobState step() {
        return leader.step(new ArrayList<>(nodes.values()), Duration.ofSeconds(seconds).toNanos());
    }

    private void waiting(int node) {
        put(node, Phase.WAITING, -1);
    }

    private void put(int node, Phase phase, int generation, FailureNote... notes) {
        nodes.put(
                node,
                new NodeState(
                        "a" + node,
                        node,
                        "h" + node,
                        2,
                        ++beat,
                        phase,
                        generation,
                        Request.NONE,
                        List.of(notes),
                        List.of()));
    }

    private void heartbeats() {
        nodes.replaceAll(
                (rank, n) ->
                        new NodeState(
                                n.agent(),
                                rank,
                                n.host(),
                                n.processes(),
                                ++beat,
                                n.phase(),
                                n.generation(),
                                n.request(),
                                n.failures(),
                                n.left()));
    }

    private static WorkerFailure left(int rank, int exitCode) {
        int node = rank / 2;
        return new WorkerFailure(
                rank, rank % 2, node, "h" + node, 10 + rank, exitCode, "", null, false);
    }

    private static FailureNote note(int rank, int node, String cause, long ageMillis, Blame blame) {
        return new FailureNote(
                new WorkerFailure(
                        rank, rank % 2, node, "h" + node, 10 + rank, 1, cause, null, blame != null),
                ageMillis,
                blame);
    }

    private Leader leader(String nodes, int maxRestarts) {
        return leader(nodes, maxRestarts, Duration.ZERO);
    }

    private Leader leader(String nodes, int maxRestarts, Duration notice) {
        return leader(nodes, maxRestarts, notice, false);
    }

    private Leader leader(String nodes, int maxRestarts, Duration notice, boolean own) {
        Settings settings =
                Launcher.builder()
                        .setCommand("train")
                        .optProcesses(2)
                        .optNodes(NodeRange.parse(nodes))
                        .optMaxRestarts(maxRestarts)
                        .optJoinTimeout(Duration.ofMinutes(1))
                        .optNoticeTimeout(notice)
                        .optWatchesInput(own)
                        .settings();
        return new Leader(settings, "job", generation -> 1000 + generation, channel, 0);
    }
}
