package org.yoloddp.launch;

import java.util.List;
import java.util.Optional;

/**
 * What came of a launch. Immutable.
 *
 * @param outcome how it ended
 * @param restarts how often all workers were started again after a failure
 * @param generations how many times workers were started, changes of the set of nodes included
 * @param failures how workers of the last start failed, root cause first, in order of time; empty
 *     if none did
 */
public record LaunchReport(
        Outcome outcome, int restarts, int generations, List<WorkerFailure> failures) {

    /** How a launch ended. */
    public enum Outcome {
        /** All workers ended with exit code 0. */
        DONE,
        /** A worker failed, and no restart was left. */
        FAILED,
        /** It was told to stop. */
        INTERRUPTED,
        /** This node left a job that goes on without it. */
        LEFT
    }

    /**
     * Copies the list.
     *
     * @param outcome how it ended
     * @param restarts how often all workers were started again after a failure
     * @param generations how many times workers were started
     * @param failures how workers of the last start failed, root cause first
     */
    public LaunchReport {
        failures = List.copyOf(failures);
    }

    /**
     * Returns the earliest failure that is not the consequence of another.
     *
     * @return the root cause; empty if no worker failed
     */
    public Optional<WorkerFailure> rootCause() {
        return failures.stream().findFirst();
    }

    /**
     * Returns this report of a launch that didn't fail.
     *
     * @return this
     * @throws WorkerFailedException if a worker failed and no restart was left
     */
    public LaunchReport orThrow() {
        if (outcome == Outcome.FAILED) {
            throw WorkerFailedException.of(this);
        }
        return this;
    }
}
