package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp bench faults-rank}: a launched rank of the toy job of bench faults. */
@Command(
        name = "faults-rank",
        hidden = true,
        description = "A rank of a toy job that fails as planned; for bench faults.")
final class BenchFaultsRankCommand implements Callable<Integer> {

    @Option(names = "--folder", required = true)
    private Path folder = Path.of("");

    @Option(names = "--steps", required = true)
    private long steps;

    @Option(names = "--pace-ms", required = true)
    private long paceMillis;

    @Option(names = "--hosts", defaultValue = "1")
    private int hosts;

    @Option(names = "--fault", converter = PlannedFault.Converter.class)
    private List<PlannedFault> faults = new ArrayList<>();

    @Option(names = "--stubborn", defaultValue = "-1", description = "A rank that does not end.")
    private int stubborn;

    @Override
    public Integer call() throws IOException {
        if (Integer.toString(stubborn).equals(System.getenv("RANK"))) {
            FaultyRank.resistOrderlyEnds();
        }
        new FaultyRank(
                        new FaultyRank.Job(folder, steps, paceMillis, hosts, faults),
                        System.getenv())
                .run();
        return ExitCode.DONE;
    }
}
