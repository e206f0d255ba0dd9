package org.yoloddp.launch;

import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.rendezvous.TlsOptions;

/**
 * What the builder has gathered. See {@link LauncherBuilder} for the meaning of each.
 *
 * @param command program and arguments
 * @param watchesInput whether the command ends when its standard input ends
 * @param processes workers per node
 * @param nodes how many nodes
 * @param nodeRank which node this is
 * @param masterAddress where node 0 is
 * @param masterPort the port there, 0 for any
 * @param insecure whether several nodes may do without a token
 * @param tls how the store is served, null for what the environment says
 * @param runId the name of the job
 * @param maxRestarts restarts after failures
 * @param logFolder null for no log files, unless streams are redirected
 * @param redirects streams that go to files only
 * @param tee streams that go to files and the console
 * @param environment variables for the workers, over this process's
 * @param out the console's output
 * @param err the console's errors
 * @param timing how long things may take
 */
record Settings(
        List<String> command,
        boolean watchesInput,
        int processes,
        NodeRange nodes,
        int nodeRank,
        String masterAddress,
        int masterPort,
        boolean insecure,
        @Nullable TlsOptions tls,
        String runId,
        int maxRestarts,
        @Nullable Path logFolder,
        StreamSelection redirects,
        StreamSelection tee,
        Map<String, String> environment,
        OutputStream out,
        OutputStream err,
        Timing timing) {

    /**
     * How long things may take.
     *
     * @param monitorInterval between looks at the workers
     * @param notice for the other workers to notice a failure by themselves
     * @param stop for workers to end after a failure, before they are killed
     * @param interrupt for workers to end in good order when the launch is told to stop
     * @param join for the nodes to come
     * @param lastCall for more nodes to come once the fewest are there
     * @param node of silence after which a node is lost
     */
    record Timing(
            Duration monitorInterval,
            Duration notice,
            Duration stop,
            Duration interrupt,
            Duration join,
            Duration lastCall,
            Duration node) {}

    /** Whether this launcher decides for all. */
    boolean leads() {
        return nodeRank == 0;
    }
}
