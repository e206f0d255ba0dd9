package org.yoloddp.launch;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.Settings.Timing;
import org.yoloddp.rendezvous.TlsOptions;

/** Describes a launch; names and defaults are torchrun's where it has them. Not thread-safe. */
public final class LauncherBuilder {

    /** torchrun's port. */
    public static final int DEFAULT_PORT = 29500;

    private List<String> command = List.of();
    private boolean watchesInput;
    private int processes = 1;
    private NodeRange nodes = NodeRange.of(1);
    private int nodeRank;
    private String masterAddress = "127.0.0.1";
    private int masterPort = -1;
    private boolean standalone;
    private boolean insecure;
    private @Nullable TlsOptions tls;
    private @Nullable String runId;
    private int maxRestarts;
    private @Nullable Path logFolder;
    private StreamSelection redirects = StreamSelection.none();
    private StreamSelection tee = StreamSelection.none();
    private final Map<String, String> environment = new LinkedHashMap<>();
    private OutputStream out = new FileOutputStream(FileDescriptor.out);
    private OutputStream err = new FileOutputStream(FileDescriptor.err);
    private Duration monitorInterval = Duration.ofMillis(100);
    private Duration notice = Duration.ofSeconds(2);
    private Duration stop = Duration.ofSeconds(10);
    private Duration interrupt = Duration.ofSeconds(150);
    private Duration join = Duration.ofMinutes(10);
    private Duration lastCall = Duration.ofSeconds(30);
    private Duration node = Duration.ofSeconds(10);

    LauncherBuilder() {}

    /**
     * Sets what to run: a program and its arguments, started directly, without a shell.
     *
     * @param words program and arguments
     * @return this builder
     */
    public LauncherBuilder setCommand(String... words) {
        return setCommand(List.of(words));
    }

    /**
     * Sets what to run: a program and its arguments, started directly, without a shell.
     *
     * @param words program and arguments
     * @return this builder
     */
    public LauncherBuilder setCommand(List<String> words) {
        command = List.copyOf(words);
        return this;
    }

    /**
     * Says that the command ends when its standard input does, if {@link Launcher#PIPE_VARIABLE} is
     * set, and finds the job's store by {@link Launcher#STORE_VARIABLE}. Such a command leaves
     * nothing behind even if the launcher is killed, and MASTER_PORT is the port of the store,
     * which the launcher holds. Default: false, a foreign command: MASTER_PORT is free when the
     * workers start, for rank 0 to bind, but not held; if another program takes it first, the job
     * is started once more with another port.
     *
     * @param value whether it does
     * @return this builder
     */
    public LauncherBuilder optWatchesInput(boolean value) {
        watchesInput = value;
        return this;
    }

    /**
     * Sets the number of workers on this node; {@code --nproc-per-node}. Default 1.
     *
     * @param count 1 or more
     * @return this builder
     */
    public LauncherBuilder optProcesses(int count) {
        processes = count;
        return this;
    }

    /**
     * Sets the number of nodes; {@code --nnodes}. Default 1.
     *
     * @param range how many
     * @return this builder
     */
    public LauncherBuilder optNodes(NodeRange range) {
        nodes = range;
        return this;
    }

    /**
     * Sets which node this is; {@code --node-rank}. Node 0 must be at the master address, and stay.
     * Default 0.
     *
     * @param rank from 0, below the largest number of nodes
     * @return this builder
     */
    public LauncherBuilder optNodeRank(int rank) {
        nodeRank = rank;
        return this;
    }

    /**
     * Sets the address of node 0, on which alone the job's store can be reached; {@code
     * --master-addr}. Default 127.0.0.1.
     *
     * @param address a name or an IP
     * @return this builder
     */
    public LauncherBuilder optMasterAddress(String address) {
        masterAddress = address;
        return this;
    }

    /**
     * Sets the port of node 0; {@code --master-port}. Default: any free one on a single node,
     * otherwise 29500.
     *
     * @param port from 1 to 65535, or 0 for any free one on a single node
     * @return this builder
     */
    public LauncherBuilder optMasterPort(int port) {
        if (port < 0 || port > 65535) {
            throw new ConfigurationException("the master port is " + port + ", but ends at 65535");
        }
        masterPort = port;
        return this;
    }

    /**
     * Takes one node, the loopback address and a free port, whatever else is said of them; {@code
     * --standalone}.
     *
     * @return this builder
     */
    public LauncherBuilder optStandalone() {
        standalone = true;
        return this;
    }

    /**
     * Allows several nodes without a job token ({@code YOLODDP_TOKEN_FILE}), so that everybody on
     * the network may join; {@code --insecure-rendezvous}. Default false.
     *
     * @param value whether to
     * @return this builder
     */
    public LauncherBuilder optInsecureRendezvous(boolean value) {
        insecure = value;
        return this;
    }

    /**
     * Encrypts the job's store and failure channels; the same on all nodes, but for the
     * certificate. Default: what the environment says ({@link TlsOptions#fromEnvironment}).
     *
     * @param options with a certificate on node 0
     * @return this builder
     */
    public LauncherBuilder optTls(TlsOptions options) {
        tls = Objects.requireNonNull(options);
        return this;
    }

    /**
     * Names the job, the same on all nodes; {@code --rdzv-id}. Default: {@code default}, or a
     * random name on a single node.
     *
     * @param name letters, digits, dot, dash and underscore
     * @return this builder
     */
    public LauncherBuilder optRunId(String name) {
        runId = name;
        return this;
    }

    /**
     * Sets how often all workers may be started anew after a failure; {@code --max-restarts}.
     * Default 0.
     *
     * @param count 0 or more; node 0's counts
     * @return this builder
     */
    public LauncherBuilder optMaxRestarts(int count) {
        maxRestarts = count;
        return this;
    }

    /**
     * Sets how often the launcher looks at the workers; {@code --monitor-interval}. Default 0.1 s.
     *
     * @param time more than 0
     * @return this builder
     */
    public LauncherBuilder optMonitorInterval(Duration time) {
        monitorInterval = time;
        return this;
    }

    /**
     * Sets the folder of log files; {@code --log-dir}. They are {@code
     * NAME/generation_N/rank_R/stdout.log} and {@code stderr.log} in it. Default: none, unless
     * streams are redirected, then {@code yolo-ddp-logs} in the folder for temporary files. Without
     * a selection of streams all go to files and to the console.
     *
     * @param folder made if need be
     * @return this builder
     */
    public LauncherBuilder optLogFolder(Path folder) {
        logFolder = folder;
        return this;
    }

    /**
     * Sets which streams go to log files and not to the console; {@code --redirects}. Default none.
     *
     * @param streams the selection
     * @return this builder
     */
    public LauncherBuilder optRedirects(StreamSelection streams) {
        redirects = streams;
        return this;
    }

    /**
     * Sets which streams go to log files and to the console; {@code --tee}. Default none.
     *
     * @param streams the selection
     * @return this builder
     */
    public LauncherBuilder optTee(StreamSelection streams) {
        tee = streams;
        return this;
    }

    /**
     * Adds a variable to the workers' environment, over that of this process.
     *
     * @param name its name; those of torchrun's contract are set anyway
     * @param value its value
     * @return this builder
     */
    public LauncherBuilder addEnvironment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    /**
     * Sets where the workers' output is shown, each line with its rank before it if there are
     * several. Default: this process's own streams.
     *
     * @param output for standard output
     * @param errors for standard error
     * @return this builder
     */
    public LauncherBuilder optConsole(OutputStream output, OutputStream errors) {
        out = output;
        err = errors;
        return this;
    }

    /**
     * Sets how long the other workers have to notice a failure by themselves, and to say so in
     * their logs, before they are asked to end. Default 2 s.
     *
     * @param time 0 or more
     * @return this builder
     */
    public LauncherBuilder optNoticeTimeout(Duration time) {
        notice = time;
        return this;
    }

    /**
     * Sets how long workers have to end after another has failed, before they are killed. Default
     * 10 s.
     *
     * @param time 0 or more
     * @return this builder
     */
    public LauncherBuilder optStopTimeout(Duration time) {
        stop = time;
        return this;
    }

    /**
     * Sets how long workers have to end in good order when the job is told to stop, or the set of
     * nodes changes. Default 150 s.
     *
     * @param time 0 or more
     * @return this builder
     */
    public LauncherBuilder optInterruptTimeout(Duration time) {
        interrupt = time;
        return this;
    }

    /**
     * Sets how long nodes wait for each other. Default 10 minutes.
     *
     * @param time more than 0
     * @return this builder
     */
    public LauncherBuilder optJoinTimeout(Duration time) {
        join = time;
        return this;
    }

    /**
     * Sets how long more nodes are waited for once the fewest have come. Default 30 s.
     *
     * @param time 0 or more
     * @return this builder
     */
    public LauncherBuilder optLastCall(Duration time) {
        lastCall = time;
        return this;
    }

    /**
     * Sets after how much silence a node is lost; a launcher tells every second that it lives.
     * Default 10 s.
     *
     * @param time more than 3 s
     * @return this builder
     */
    public LauncherBuilder optNodeTimeout(Duration time) {
        node = time;
        return this;
    }

    /**
     * Checks the options and makes the launcher.
     *
     * @return the launcher, which has not started anything
     * @throws ConfigurationException if there is no command, or options contradict each other
     */
    public Launcher build() {
        return new Launcher(settings(), System.getenv());
    }

    Settings settings() {
        NodeRange range = standalone ? NodeRange.of(1) : nodes;
        check(!command.isEmpty(), "there is no command to launch");
        check(processes >= 1, "there are " + processes + " processes per node, but it needs one");
        check(maxRestarts >= 0, "there are " + maxRestarts + " restarts, but 0 is the fewest");
        int rank = standalone ? 0 : nodeRank;
        check(
                rank >= 0 && rank < range.max(),
                "the node rank is "
                        + rank
                        + ", but with "
                        + range
                        + " nodes it ends at "
                        + (range.max() - 1));
        boolean several = range.max() > 1;
        check(
                !several || masterPort != 0,
                "the master port is 0, but several nodes must agree on one, such as 29500");
        check(
                positive(monitorInterval) && positive(join) && node.toMillis() > 3000,
                "the monitor interval and the join timeout must be positive, and a node's silence"
                        + " longer than 3 s");
        String name = runId;
        if (name == null) {
            name = several ? "default" : UUID.randomUUID().toString().substring(0, 8);
        }
        check(
                name.matches("[\\w.-]{1,100}") && !name.startsWith("."),
                "the job is called '" + name + "', but it takes letters, digits, '.', '-' and '_'");
        int port = masterPort >= 0 ? masterPort : several ? DEFAULT_PORT : 0;
        return new Settings(
                command,
                watchesInput,
                processes,
                range,
                rank,
                standalone ? "127.0.0.1" : masterAddress,
                standalone ? 0 : port,
                insecure,
                tls,
                name,
                maxRestarts,
                logFolder,
                redirects,
                tee,
                Map.copyOf(environment),
                out,
                err,
                new Timing(monitorInterval, notice, stop, interrupt, join, lastCall, node));
    }

    private static boolean positive(Duration time) {
        return !time.isNegative() && !time.isZero();
    }

    private static void check(boolean fine, String message) {
        if (!fine) {
            throw new ConfigurationException(message);
        }
    }
}
