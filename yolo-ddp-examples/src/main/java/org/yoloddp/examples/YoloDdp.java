package org.yoloddp.examples;

import java.util.Arrays;
import java.util.List;
import org.yoloddp.launch.ErrorFile;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The program {@code yolo-ddp}. */
@Command(
        name = "yolo-ddp",
        description = "Trains YOLOv5 data-parallel on the JVM.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        scope = ScopeType.INHERIT,
        synopsisSubcommandLabel = "COMMAND",
        sortOptions = false,
        subcommands = {
            QuickstartCommand.class,
            TrainCommand.class,
            ValCommand.class,
            DetectCommand.class,
            LaunchCommand.class,
            DoctorCommand.class,
            BenchCommand.class
        })
public final class YoloDdp implements Runnable {

    private final Console console;

    @Option(
            names = "--verbose",
            scope = ScopeType.INHERIT,
            description = "Log more, and print stack traces.")
    private boolean verbose;

    @Spec private CommandSpec spec;

    private YoloDdp(Console console) {
        this.console = console;
    }

    /**
     * Runs a command and ends the JVM with its exit code.
     *
     * @param arguments the command and its options
     */
    public static void main(String[] arguments) {
        Console console = Console.system();
        LauncherWatch.start(System.getenv(), System.in, console);
        System.exit(run(console, arguments));
    }

    /** Runs a command and returns its exit code. */
    static int run(Console console, String... arguments) {
        YoloDdp program = new YoloDdp(console);
        CommandLine line = new CommandLine(program, new CommandFactory(console));
        line.setOut(console.out());
        line.setErr(console.err());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        // What follows belongs to the command that is launched.
        line.getSubcommands().get("launch").setStopAtPositional(true);
        line.setParameterExceptionHandler(
                (failure, given) -> program.wrongUse(failure, Arrays.asList(given)));
        line.setExecutionExceptionHandler((failure, command, given) -> program.failed(failure));
        line.setExecutionStrategy(
                parsed -> {
                    Logging.configure(program.verbose);
                    return new CommandLine.RunLast().execute(parsed);
                });
        return line.execute(arguments);
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "There is no command; give one of those that --help lists");
    }

    private int wrongUse(ParameterException failure, List<String> given) {
        if (given.contains("--verbose")) {
            failure.printStackTrace(console.err());
        }
        String command = failure.getCommandLine().getCommandSpec().qualifiedName();
        console.error(failure, "; '" + command + " --help' lists the options");
        return ExitCode.WRONG_USE;
    }

    private int failed(Exception failure) {
        if (verbose) {
            failure.printStackTrace(console.err());
        }
        console.error(failure, "");
        ErrorFile.write(failure); // for the launcher's report
        return ExitCode.of(failure);
    }
}
