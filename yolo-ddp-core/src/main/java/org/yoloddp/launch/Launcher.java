package org.yoloddp.launch;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.Store;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.rendezvous.TlsOptions;

/**
 * Starts a command once per rank, as torchrun does, watches the processes, and starts all of them
 * anew after a failure if it may. One launcher runs on each node; that of node 0 serves the job's
 * store and decides for all. If it is lost, the others stop their workers and say so.
 *
 * <pre>{@code
 * LaunchReport report =
 *         Launcher.builder()
 *                 .setCommand("java", "-cp", "app.jar", "com.example.Train")
 *                 .optProcesses(4)
 *                 .optMaxRestarts(2)
 *                 .build()
 *                 .run()
 *                 .orThrow();
 * }</pre>
 *
 * <p>Workers get torchrun's environment (PyTorch 2.7: RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and
 * so on), and of ours {@link #STORE_VARIABLE}, {@link #GENERATION_VARIABLE} and {@code
 * YOLODDP_TOKEN_FILE}, a file that only this user can read, and with TLS the variables of {@link
 * TlsOptions}.
 *
 * <p>The first failure that is not the consequence of another is the root cause. A worker says that
 * its failure is a consequence by {@link ErrorFile}; our own programs do.
 *
 * <p>On Linux a worker gets a session of its own (setsid). When the launcher dies, a command that
 * doesn't watch its input is killed, and one that does is woken if it was stopped (setpriv).
 * Thread-safe; each launcher runs once.
 */
public final class Launcher {

    /** The environment variable with host and port of the job's store, which node 0 serves. */
    public static final String STORE_VARIABLE = "YOLODDP_STORE";

    /**
     * The environment variable that counts how often workers were started before, for failures and
     * for changes of the nodes; TORCHELASTIC_RESTART_COUNT counts failures only.
     */
    public static final String GENERATION_VARIABLE = "YOLODDP_GENERATION";

    /**
     * The environment variable that tells a program to end when its standard input does, since its
     * launcher has gone then.
     */
    public static final String PIPE_VARIABLE = "YOLODDP_LAUNCHER_PIPE";

    /**
     * The environment variable that lets ranks meet beyond loopback without a token, if it is 1.
     */
    public static final String INSECURE_VARIABLE = "YOLODDP_INSECURE_RENDEZVOUS";

    private static final Logger LOG = LoggerFactory.getLogger(Launcher.class);

    private static final Duration CALL = Duration.ofSeconds(10);

    private final Settings settings;
    private final Map<String, String> environment;
    private final StopRequests stops = new StopRequests();
    private final AtomicBoolean used = new AtomicBoolean();

    Launcher(Settings settings, Map<String, String> environment) {
        this.settings = settings;
        this.environment = Map.copyOf(environment);
    }

    /**
     * Starts to describe a launch.
     *
     * @return a builder
     */
    public static LauncherBuilder builder() {
        return new LauncherBuilder();
    }

    /**
     * Runs the job on this node until it ends; no worker is left then. An interrupt of the calling
     * thread stops the job as {@link #stop} does, and the flag is set again at the end.
     *
     * @return what came of it, on all nodes
     * @throws LaunchException if the command cannot be started, nodes are missing, or node 0 is
     *     lost
     * @throws ConfigurationException if nodes on several hosts have no token, or files for TLS
     *     cannot be used
     * @throws org.yoloddp.rendezvous.StoreConnectionException if the port is taken, or node 0 is
     *     not found
     * @throws IllegalStateException if this launcher has run before
     */
    public LaunchReport run() {
        if (used.getAndSet(true)) {
            throw new IllegalStateException("A launcher runs once; build another");
        }
        try (LaunchFiles files = LaunchFiles.create(settings)) {
            JobToken token = token();
            return settings.leads() ? lead(files, token) : follow(files, token);
        }
    }

    /**
     * Asks the job to stop in good order, from any thread: workers get the signal and two and a
     * half minutes. On a node that may leave the job ({@code MIN:MAX}) this ends the node's workers
     * only. The first call counts.
     *
     * @param signal what this node's workers get; those of other nodes get SIGTERM
     */
    public void stop(StopSignal signal) {
        stops.stop(signal);
    }

    /** Kills this node's workers with all that they have started, and stops the job. */
    public void kill() {
        stops.kill();
    }

    private LaunchReport lead(LaunchFiles files, JobToken token) {
        boolean alone = settings.nodes().max() == 1;
        // A foreign program on a single node binds the port itself.
        int port = alone && !settings.watchesInput() ? 0 : settings.masterPort();
        StoreOptions options = options();
        try (StoreServer server =
                StoreServer.start(
                        new InetSocketAddress(address(settings.masterAddress()), port),
                        token,
                        options)) {
            Leader leader =
                    new Leader(
                            settings,
                            settings.runId(),
                            generation -> {
                                server.beginGeneration(generation);
                                return settings.watchesInput()
                                        ? server.address().getPort()
                                        : foreignPort(generation);
                            },
                            RankChannel.of(server),
                            System.nanoTime());
            if (alone) {
                return agent(files, token, new InMemoryStore(), leader, server.address()).run();
            }
            try (TcpStore store = TcpStore.connect(server.address(), token, options, CALL)) {
                return agent(files, token, store, leader, server.address()).run();
            }
        }
    }

    private LaunchReport follow(LaunchFiles files, JobToken token) {
        InetSocketAddress node0 =
                new InetSocketAddress(address(settings.masterAddress()), settings.masterPort());
        try (TcpStore store = TcpStore.connect(node0, token, options(), settings.timing().join())) {
            return agent(files, token, store, null, node0).run();
        }
    }

    private Agent agent(
            LaunchFiles files,
            JobToken token,
            Store store,
            @Nullable Leader leader,
            InetSocketAddress address) {
        String endpoint = settings.masterAddress() + ":" + address.getPort();
        @Nullable Path tokenFile = token.isNone() ? null : files.writeToken(token);
        ProcessTools processes = ProcessTools.of(environment.getOrDefault("PATH", ""));
        if (!processes.canTieToParent() && !settings.watchesInput()) {
            LOG.warn(
                    "there is no setpriv with --pdeathsig: if this launcher is killed, '{}' goes"
                            + " on",
                    settings.command().get(0));
        }
        return new Agent(
                settings,
                new Agent.Tools(
                        Ticker.system(),
                        OsProcess.factory(
                                processes,
                                settings.watchesInput()
                                        ? ProcessTools.CONTINUE
                                        : ProcessTools.KILL),
                        files,
                        new WorkerEnvironment(settings, environment, endpoint, tokenFile, tls()),
                        new Board(store, settings.nodes().max(), CALL),
                        stops),
                UUID.randomUUID().toString(),
                GroupContext.localHostId(),
                endpoint,
                leader);
    }

    private StoreOptions options() {
        return StoreOptions.defaults()
                .withJob(settings.runId())
                .withInsecure(settings.insecure())
                .withTls(tls());
    }

    private TlsOptions tls() {
        TlsOptions given = settings.tls();
        return given == null ? TlsOptions.fromEnvironment(environment) : given;
    }

    /** Several nodes must have been given the same token; a single one makes its own. */
    private JobToken token() {
        return JobToken.fromEnvironment(environment)
                .orElseGet(() -> settings.nodes().max() == 1 ? JobToken.random() : JobToken.none());
    }

    /** The port that workers bind themselves: the one asked for, or else a free one. */
    private int foreignPort(int generation) {
        boolean given = settings.nodes().max() == 1 && settings.masterPort() != 0;
        if (given && generation == 0) {
            return settings.masterPort();
        }
        try (ServerSocket socket = new ServerSocket(0, 1, address(settings.masterAddress()))) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new ConfigurationException(
                    "there is no free port at " + settings.masterAddress() + ": " + e);
        }
    }

    private static InetAddress address(String host) {
        try {
            return InetAddress.getByName(host);
        } catch (UnknownHostException e) {
            throw new ConfigurationException(
                    "the master address '" + host + "' cannot be resolved; give a name or an IP");
        }
    }
}
