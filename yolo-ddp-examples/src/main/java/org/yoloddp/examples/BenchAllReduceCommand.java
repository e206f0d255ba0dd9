package org.yoloddp.examples;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench allreduce}. */
@Command(
        name = "allreduce",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times all-reduce (SUM of float32) between processes of this machine: buckets in shared"
                    + " memory, ordinary memory, and loopback sockets as if between two hosts; with"
                    + " the time that memcpy takes for as many bytes.",
            "A time is the slowest rank's. Each iteration refills every element with values of its"
                    + " rank and number before the clock starts, and verifies every element of the"
                    + " result after it has stopped.",
            "With --rival python gloo does the same in turns with ours; it needs a Python with"
                    + " torch 2.7.1."
        })
final class BenchAllReduceCommand implements Callable<Integer> {

    private final Console console;

    @Mixin private BenchOptions options = new BenchOptions();

    @Option(
            names = "--nproc",
            split = ",",
            defaultValue = "2,4",
            description = "How many ranks, one after the other.")
    private List<Integer> ranks = new ArrayList<>();

    @Option(
            names = "--bytes",
            split = ",",
            defaultValue = "1024,65536,1000000,7500000,25000000,100000000",
            description = "How many bytes are reduced.")
    private List<Long> sizes = new ArrayList<>();

    @Option(names = "--turns", defaultValue = "6", description = "How often each has its turn.")
    private int turns;

    @Option(
            names = "--warmup-seconds",
            defaultValue = "8",
            description = "How long each way at least warms up: the JVM compiles meanwhile.")
    private int warmUpSeconds;

    BenchAllReduceCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        List<BenchReport.Row> rows = new ArrayList<>();
        List<TurnProcess> processes = new ArrayList<>();
        try (Interruption interruption = new Interruption(console)) {
            try {
                for (int size : ranks) {
                    measure(size, rows, processes);
                }
            } catch (RivalException e) {
                if (interruption.happened()) {
                    return ExitCode.INTERRUPTED;
                }
                throw e;
            }
        }
        BenchReport.of("allreduce", processes, rows).print(console, options.json);
        return ExitCode.DONE;
    }

    private void measure(int size, List<BenchReport.Row> rows, List<TurnProcess> processes)
            throws IOException {
        try (AllReduceBench bench = new AllReduceBench(size, warmUpSeconds, options)) {
            for (long bytes : sizes) {
                rows.addAll(bench.run(bytes, turns));
            }
            processes.addAll(bench.processes());
        }
    }
}
