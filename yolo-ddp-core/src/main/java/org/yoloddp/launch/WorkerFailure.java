package org.yoloddp.launch;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a worker ended, most often one that should not have ended so.
 *
 * @param rank its number in the world
 * @param localRank its number on its node
 * @param nodeRank its node
 * @param host the node's name
 * @param pid its process, -1 if it is not known
 * @param exitCode its exit code, 128 and the signal's number after a signal; -1 if it didn't end by
 *     itself but was stopped by the launcher; -2 if its node was lost, so that nobody knows
 * @param cause what it died of, in its own words: its last line on standard error, or what it wrote
 *     into its error file; empty if it said nothing
 * @param logFile where its standard error is kept, null if nowhere
 * @param consequence true if it says itself that it failed since another rank did
 */
public record WorkerFailure(
        int rank,
        int localRank,
        int nodeRank,
        String host,
        long pid,
        int exitCode,
        String cause,
        @Nullable String logFile,
        boolean consequence) {

    /** The exit code of one that the launcher has stopped. */
    static final int STOPPED = -1;

    /** The exit code of one that was lost with its node. */
    static final int LOST = -2;

    /**
     * Returns the signal that ended it.
     *
     * @return for example {@code SIGKILL}; empty if it was none
     */
    public Optional<String> signal() {
        return ExitStatus.signal(exitCode);
    }

    /**
     * Says in one line what is known.
     *
     * @return rank, host, process, exit code or signal, cause and log file
     */
    public String describe() {
        return "rank "
                + rank
                + (pid < 0 ? " (on " : " (process " + pid + " on ")
                + host
                + ") "
                + story()
                + (logFile == null ? "" : "; log file: " + logFile);
    }

    /** How it ended, for ranks that are told who it was beside. */
    String how() {
        return "it " + story();
    }

    private String story() {
        return end() + (cause.isEmpty() ? "" : (isLost() ? "; " : "; last error line: ") + cause);
    }

    /** Nobody has seen how it ended. */
    private boolean isLost() {
        return exitCode == LOST;
    }

    private String end() {
        if (isLost()) {
            return "is lost with its node";
        }
        if (exitCode < 0) {
            return "was stopped, since it no longer took part";
        }
        if (exitCode == 0) {
            return "ended with exit code 0 while the others still needed it";
        }
        return signal().map(name -> "was ended by " + name + " (exit code " + exitCode + ")")
                .orElse("ended with exit code " + exitCode);
    }
}
