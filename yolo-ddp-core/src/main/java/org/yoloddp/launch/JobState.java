package org.yoloddp.launch;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.launch.LaunchReport.Outcome;

/**
 * What node 0 tells all nodes.
 *
 * @param runId the job's name
 * @param phase what is to be done
 * @param generation counts the starts of workers, from 0
 * @param restarts how many of them came after a failure
 * @param members the nodes whose workers are part of this generation, by node rank
 * @param masterPort the port for the workers
 * @param gentle whether a stop waits for workers to end in good order
 * @param outcome how it ended, null before
 * @param failures of the last generation, root cause first
 * @param present the node ranks that had come when it was given up to wait for more, else null
 */
record JobState(
        String runId,
        Phase phase,
        int generation,
        int restarts,
        List<Member> members,
        int masterPort,
        boolean gentle,
        @Nullable Outcome outcome,
        List<WorkerFailure> failures,
        @Nullable List<Integer> present) {

    /** What is to be done. */
    enum Phase {
        /** Wait for nodes. */
        GATHERING,
        /** Run this generation's workers. */
        RUNNING,
        /** Stop them. */
        STOPPING,
        /** Go home. */
        ENDED
    }

    /**
     * A node of this generation.
     *
     * @param nodeRank its node rank
     * @param agent its launcher
     * @param host its host's name
     * @param processes how many workers it runs
     */
    record Member(int nodeRank, String agent, String host, int processes) {}

    /** The number of workers of all nodes. */
    int worldSize() {
        return members.stream().mapToInt(Member::processes).sum();
    }

    /** The position of a launcher among the members; empty if it isn't one. */
    Optional<Integer> groupRank(String agent) {
        for (int i = 0; i < members.size(); i++) {
            if (members.get(i).agent().equals(agent)) {
                return Optional.of(i);
            }
        }
        return Optional.empty();
    }

    /** The rank of the first worker of a member. */
    int firstRank(int groupRank) {
        return members.subList(0, groupRank).stream().mapToInt(Member::processes).sum();
    }

    /** The member that runs a rank; empty if there is no such rank. */
    Optional<Member> memberOf(int rank) {
        int end = 0;
        for (Member member : members) {
            end += member.processes();
            if (rank >= 0 && rank < end) {
                return Optional.of(member);
            }
        }
        return Optional.empty();
    }

    /** A job that waits for its first nodes. */
    static JobState begin(String runId) {
        return new JobState(
                runId, Phase.GATHERING, 0, 0, List.of(), 0, false, null, List.of(), null);
    }

    JobState running(List<Member> nodes, int port) {
        return new JobState(
                runId,
                Phase.RUNNING,
                generation,
                restarts,
                nodes,
                port,
                false,
                null,
                failures,
                null);
    }

    JobState stopping(boolean inGoodOrder) {
        return new JobState(
                runId,
                Phase.STOPPING,
                generation,
                restarts,
                members,
                masterPort,
                inGoodOrder,
                null,
                failures,
                null);
    }

    JobState withFailures(List<WorkerFailure> found) {
        return new JobState(
                runId,
                phase,
                generation,
                restarts,
                members,
                masterPort,
                gentle,
                outcome,
                found,
                present);
    }

    JobState gathering(int restartsNow) {
        return new JobState(
                runId,
                Phase.GATHERING,
                generation + 1,
                restartsNow,
                List.of(),
                0,
                false,
                null,
                failures,
                null);
    }

    JobState ended(Outcome how, @Nullable List<Integer> present) {
        return new JobState(
                runId,
                Phase.ENDED,
                generation,
                restarts,
                members,
                masterPort,
                gentle,
                how,
                how == Outcome.FAILED ? failures : List.of(),
                present);
    }
}
