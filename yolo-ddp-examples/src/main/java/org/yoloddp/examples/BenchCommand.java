package org.yoloddp.examples;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code yolo-ddp bench}. */
@Command(
        name = "bench",
        description = "Measures.",
        synopsisSubcommandLabel = "BENCHMARK",
        subcommands = {
            BenchStepCommand.class,
            BenchOverheadCommand.class,
            BenchOverlapCommand.class,
            BenchScalingCommand.class,
            BenchMemoryCommand.class,
            BenchAllReduceCommand.class,
            BenchNcclCommand.class,
            BenchFaultsCommand.class,
            BenchServeCommand.class,
            BenchGpuPartCommand.class,
            BenchAllReduceRankCommand.class,
            BenchScalingRankCommand.class,
            BenchFaultsRankCommand.class
        })
final class BenchCommand implements Runnable {

    @Spec private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "There is no benchmark; give one of those that --help lists");
    }
}
