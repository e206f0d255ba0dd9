package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.nccl.NcclReport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code yolo-ddp bench nccl}. */
@Command(
        name = "nccl",
        sortOptions = false,
        showDefaultValues = true,
        description = {
            "Times all-reduce (SUM of float32) between GPUs over NCCL: the library's communicator"
                    + " in turns with bare calls of NCCL. A time is the slowest rank's, with GB/s"
                    + " as nccl-tests defines algbw and busbw. Each time every element is refilled"
                    + " before the clock starts, and verified after it has stopped.",
            "Without --nproc there is a thread for each GPU of this process. Several machines: by"
                    + " 'yolo-ddp launch'.",
            "With --rival python torch.distributed does the same in turns with ours; it needs a"
                    + " Python with torch 2.7.1 for CUDA."
        })
final class BenchNcclCommand implements Callable<Integer> {

    private static final Duration LIMIT = Duration.ofHours(2);

    private final Console console;

    @Mixin private BenchOptions options = new BenchOptions();

    @Spec private CommandSpec spec;

    @Option(
            names = "--nproc",
            description =
                    "Ranks that are processes of this machine. More than there are GPUs share them,"
                            + " each with an NCCL_HOSTID of its own, over loopback sockets.")
    private @Nullable Integer processes;

    @Option(
            names = "--bytes",
            split = ",",
            defaultValue = "1024,16384,262144,4194304,67108864,1073741824",
            description = "How many bytes are reduced; what the GPUs have no room for is left out.")
    private List<Long> sizes = new ArrayList<>();

    @Option(names = "--turns", defaultValue = "6", description = "How often each has its turn.")
    private int turns;

    @Option(
            names = "--times",
            defaultValue = "20",
            description = "How often each reduces in a turn; large sizes less often, 2 at least.")
    private int times;

    @Option(
            names = "--rival-backend",
            hidden = true,
            defaultValue = "nccl",
            description = "PyTorch's; gloo works where there is no GPU, for tests.")
    private String backend = "";

    @Option(
            names = "--report",
            hidden = true,
            description = "Where rank 0 leaves the report for who has launched it.")
    private @Nullable Path report;

    BenchNcclCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        check();
        NcclReport gpus = GpuRanks.look();
        boolean isRank = GpuRanks.place(System.getenv()).isPresent();
        if (processes != null && !isRank) {
            return launch(processes, gpus);
        }
        NcclBench.Plan plan = new NcclBench.Plan(sizes, turns, times, options, backend);
        BenchReport found = GpuRanks.run(System.getenv(), gpus, rank -> measure(rank, plan, gpus));
        if (found == null) {
            return ExitCode.DONE;
        }
        if (report != null) {
            Files.writeString(report, found.json(), StandardCharsets.UTF_8);
        } else {
            found.print(console, options.json);
        }
        return ExitCode.DONE;
    }

    private void check() {
        if (processes != null && processes < 2) {
            throw wrong("--nproc has to be at least 2, not " + processes);
        }
        if (turns < 1) {
            throw wrong("--turns has to be at least 1, not " + turns);
        }
        for (long bytes : sizes) {
            if (bytes < Float.BYTES || bytes % Float.BYTES != 0) {
                throw wrong("--bytes has to be a multiple of 4, not " + bytes);
            }
        }
    }

    private ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** What rank 0 has found; null on the others, which have found the same. */
    private @Nullable BenchReport measure(GpuRank rank, NcclBench.Plan plan, NcclReport gpus) {
        try (NcclBench bench = new NcclBench(rank, plan)) {
            List<BenchReport.Row> rows = bench.run(console);
            if (rank.rank() != 0) {
                return null;
            }
            BenchReport found = BenchReport.of("nccl", bench.rivals(), rows);
            found.versions().put("nccl", gpus.version());
            found.versions().put("cuda", gpus.runtimeVersion());
            return found;
        }
    }

    private int launch(int ranks, NcclReport gpus) throws IOException {
        Path folder = Files.createTempDirectory("yolo-ddp-nccl-");
        try {
            Path file = folder.resolve("report.json");
            List<String> arguments = new ArrayList<>(List.of("bench", "nccl", "--report=" + file));
            arguments.add("--turns=" + turns);
            arguments.add("--times=" + times);
            sizes.forEach(bytes -> arguments.add("--bytes=" + bytes));
            if (options.withPython()) {
                arguments.add("--rival=python");
                arguments.add("--python=" + options.python);
                arguments.add("--rival-backend=" + backend);
            }
            LaunchReport ended =
                    GpuRanks.launch(
                            console, arguments, ranks, gpus.devices().size(), folder, LIMIT);
            ended.orThrow();
            if (ended.outcome() == LaunchReport.Outcome.INTERRUPTED) {
                return ExitCode.INTERRUPTED;
            }
            new Gson()
                    .fromJson(Files.readString(file, StandardCharsets.UTF_8), BenchReport.class)
                    .print(console, options.json);
            return ExitCode.DONE;
        } finally {
            Folders.delete(folder);
        }
    }
}
