package org.yoloddp.launch;

import java.util.List;

/**
 * What a node tells node 0, again and again.
 *
 * @param agent a random name of this launcher, so that one started anew is told from the old one
 * @param nodeRank its node rank
 * @param host its host's name
 * @param processes how many workers it runs
 * @param beat counts up while it lives
 * @param phase what its workers do
 * @param generation the start of workers that the phase belongs to, -1 before the first
 * @param request what it asks for
 * @param failures of its workers in this generation, in order of time
 * @param left its workers that have ended well, or since they were asked to
 */
record NodeState(
        String agent,
        int nodeRank,
        String host,
        int processes,
        long beat,
        Phase phase,
        int generation,
        Request request,
        List<FailureNote> failures,
        List<WorkerFailure> left) {

    /** What a node's workers do. */
    enum Phase {
        /** There are none: it waits for the next start. */
        WAITING,
        /** They run; some may have ended. */
        RUNNING,
        /** All have ended well. */
        DONE,
        /** None is left, after a stop. */
        STOPPED,
        /** It has read the job's end. */
        GONE
    }

    /** What a node asks for. */
    enum Request {
        /** Nothing. */
        NONE,
        /** That the job ends. */
        STOP,
        /** To go, while the others go on. */
        LEAVE
    }
}
