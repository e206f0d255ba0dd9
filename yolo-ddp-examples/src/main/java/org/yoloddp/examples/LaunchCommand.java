package org.yoloddp.examples;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.launch.NodeRange;
import org.yoloddp.launch.StopSignal;
import org.yoloddp.launch.StreamSelection;
import org.yoloddp.launch.WorkerFailure;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code yolo-ddp launch}. */
@Command(
        name = "launch",
        description = {
            "Starts a command once per rank, as torchrun does.",
            "",
            "The command is one of yolo-ddp's own, such as: launch --nproc-per-node 2 train"
                    + " --data data.yaml; or, behind --, any other: launch --nproc-per-node 2 --"
                    + " python train.py. Several nodes need the same token: set"
                    + " YOLODDP_TOKEN_FILE on each to a file with 32 random characters.",
            ""
        },
        sortOptions = false,
        showDefaultValues = true)
final class LaunchCommand implements Callable<Integer> {

    private final Console console;

    @Option(
            names = {"--nproc-per-node", "--nproc_per_node"},
            defaultValue = "1",
            description =
                    "Ranks on this node, each a process: a number, gpu for one per GPU, cpu for one"
                            + " per core, auto for one per GPU or, without any, per core.")
    private String processes = "";

    @Option(
            names = "--nnodes",
            defaultValue = "1",
            description =
                    "Number of nodes, each with a launcher; as MIN:MAX, nodes may leave and join,"
                            + " with a restart of all ranks.")
    private String nodes = "";

    @Option(
            names = {"--node-rank", "--node_rank"},
            defaultValue = "0",
            description = "Which node this is; node 0 decides for all, and must stay.")
    private int nodeRank;

    @Option(
            names = {"--master-addr", "--master_addr"},
            defaultValue = "127.0.0.1",
            description = "Address of node 0.")
    private String masterAddress = "";

    @Option(
            names = {"--master-port", "--master_port"},
            description = "Port of node 0; 29500 with several nodes, else any that is free.")
    private @Nullable Integer masterPort;

    @Option(names = "--standalone", description = "One node, with any free port.")
    private boolean standalone;

    @Option(
            names = {"--rdzv-id", "--rdzv_id"},
            description = "Name of the job, the same on all nodes.")
    private @Nullable String runId;

    @Option(
            names = "--insecure-rendezvous",
            description = "Let everybody on the network join: several nodes without a token.")
    private boolean insecure;

    @Option(
            names = {"--max-restarts", "--max_restarts"},
            defaultValue = "0",
            description = "How often all ranks are started again after a failure.")
    private int maxRestarts;

    @Option(
            names = {"--monitor-interval", "--monitor_interval"},
            defaultValue = "0.1",
            description = "Seconds between looks at the ranks.")
    private double monitorInterval;

    @Option(
            names = "--stop-timeout",
            defaultValue = "10",
            description =
                    "Seconds that ranks have to end after another has failed, before they are"
                            + " killed.")
    private double stopTimeout;

    @Option(
            names = {"--log-dir", "--log_dir"},
            description = "Folder for a log file of each rank and stream.")
    private @Nullable Path logFolder;

    @Option(
            names = {"-r", "--redirects"},
            description =
                    "Streams that go to log files only: 1 output, 2 errors, 3 both, or by local"
                            + " rank such as 0:1,1:3.")
    private @Nullable String redirects;

    @Option(
            names = {"-t", "--tee"},
            description = "Streams that go to log files and the console, likewise.")
    private @Nullable String tee;

    @Parameters(
            arity = "0..*",
            paramLabel = "COMMAND",
            description = "A command of yolo-ddp with its options, or -- and any other.")
    private List<String> command = List.of();

    @Spec private CommandSpec spec;

    LaunchCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Launcher launcher = launcher();
        LaunchReport report;
        try (Signals signals = new Signals((signal, count) -> stop(launcher, signal, count))) {
            report = launcher.run();
        }
        List<WorkerFailure> failures = report.failures();
        for (WorkerFailure later :
                failures.subList(Math.min(1, failures.size()), failures.size())) {
            console.warn((later.consequence() ? "as a consequence, " : "then ") + later.describe());
        }
        report.orThrow();
        return report.outcome() == Outcome.INTERRUPTED ? ExitCode.INTERRUPTED : ExitCode.DONE;
    }

    private void stop(Launcher launcher, StopSignal signal, int count) {
        if (count == 1) {
            console.warn("interrupted: the ranks end in good order; once more kills them");
            launcher.stop(signal);
        } else {
            console.warn("interrupted again: killing the ranks");
            launcher.kill();
        }
    }

    private Launcher launcher() {
        boolean own = !isForeign();
        if (command.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "There is no command to launch; give one of yolo-ddp's, or -- and any other");
        }
        if (own) {
            checkOwn();
        }
        LauncherBuilder builder =
                Launcher.builder()
                        .setCommand(own ? OwnCommand.with(command) : command)
                        .optWatchesInput(own)
                        .optProcesses(ProcessCount.ofThisMachine().parse(processes))
                        .optNodes(NodeRange.parse(nodes))
                        .optNodeRank(nodeRank)
                        .optMasterAddress(masterAddress)
                        .optInsecureRendezvous(insecure)
                        .optMaxRestarts(maxRestarts)
                        .optMonitorInterval(seconds(monitorInterval))
                        .optStopTimeout(seconds(stopTimeout))
                        .optConsole(console.outBytes(), console.errBytes());
        if (masterPort != null) {
            builder.optMasterPort(masterPort);
        }
        if (standalone) {
            builder.optStandalone();
        }
        if (runId != null) {
            builder.optRunId(runId);
        }
        if (logFolder != null) {
            builder.optLogFolder(logFolder);
        }
        if (redirects != null) {
            builder.optRedirects(StreamSelection.parse(redirects));
        }
        if (tee != null) {
            builder.optTee(StreamSelection.parse(tee));
        }
        return builder.build();
    }

    private static Duration seconds(double number) {
        return Duration.ofNanos((long) (number * 1e9));
    }

    /** Whether the command stands behind {@code --}. */
    private boolean isForeign() {
        List<String> given = spec.commandLine().getParseResult().originalArgs();
        int before = given.size() - command.size() - 1;
        return before >= 0 && given.get(before).equals("--");
    }

    /** Finds wrong use before there is a process that could. */
    private void checkOwn() {
        CommandLine program = spec.commandLine().getParent();
        Set<String> names = new TreeSet<>(program.getSubcommands().keySet());
        names.remove(spec.name());
        String name = command.get(0);
        if (!names.contains(name)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "'"
                            + name
                            + "' is no command of yolo-ddp to launch; there are "
                            + String.join(", ", names)
                            + "; or put -- before a command of your own");
        }
        program.getSubcommands()
                .get(name)
                .parseArgs(command.subList(1, command.size()).toArray(String[]::new));
    }
}
