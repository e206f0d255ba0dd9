package org.yoloddp.launch;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A job cannot be started, or cannot go on for reasons outside its workers. */
public final class LaunchException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private LaunchException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static LaunchException notStarted(List<String> command, IOException cause) {
        return new LaunchException(
                "cannot start '"
                        + String.join(" ", command)
                        + "': "
                        + cause.getMessage()
                        + "; check that the program exists and may be run",
                cause);
    }

    static LaunchException cannotWrite(Path file, IOException cause) {
        return new LaunchException(
                "cannot write "
                        + file
                        + ": "
                        + cause
                        + "; check that the folder is writable and has space left",
                cause);
    }

    static LaunchException nodesMissing(NodeRange nodes, List<Integer> present, Duration waited) {
        return new LaunchException(
                "within "
                        + waited.toSeconds()
                        + " s only "
                        + present.size()
                        + " of "
                        + nodes
                        + " nodes have come, with node ranks "
                        + present
                        + "; start the launcher on the others, with the same master address and"
                        + " token, or raise the join timeout",
                null);
    }

    static LaunchException leaderLost(String address, @Nullable Throwable cause) {
        return new LaunchException(
                "the launcher of node 0, which serves the job's store at "
                        + address
                        + ", is gone or cannot be reached"
                        + (cause == null ? "" : " (" + cause.getMessage() + ")")
                        + "; this node's workers were stopped, and the job has ended: find out why"
                        + " node 0 was lost, and start it again on all nodes",
                cause);
    }

    static LaunchException sameNodeRank(int nodeRank, String host) {
        return new LaunchException(
                "node rank "
                        + nodeRank
                        + " is taken by a launcher on "
                        + host
                        + "; give each node another --node-rank",
                null);
    }
}
