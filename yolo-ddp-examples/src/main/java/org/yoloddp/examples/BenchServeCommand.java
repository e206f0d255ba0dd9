package org.yoloddp.examples;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code yolo-ddp bench serve}: a real training whose steps are taken when asked for by a line on
 * stdin, as python/rival_step.py takes those of the rival. For the other benchmarks.
 */
@Command(
        name = "serve",
        hidden = true,
        description = "Takes training steps when told by 'run N' on stdin; for other benchmarks.")
final class BenchServeCommand implements Callable<Integer> {

    /** A rank waits while others have their turns. */
    private static final Duration LONG = Duration.ofHours(1);

    private final Console console;

    @Option(names = "--cfg", required = true)
    private String cfg = "";

    @Option(names = "--imgsz", required = true)
    private int imageSize;

    @Option(names = "--batch", required = true, description = "Of one rank.")
    private int batch;

    @Option(names = "--threads", required = true, description = "Of one rank.")
    private int threads;

    @Option(names = "--nproc", defaultValue = "1")
    private int ranks;

    @Option(names = "--amp")
    private boolean amp;

    @Option(names = "--shard-optimizer-state")
    private boolean sharded;

    @Option(names = "--warmup", required = true)
    private int warmUp;

    @Option(names = "--steps", required = true, description = "After the warm-up.")
    private int steps;

    BenchServeCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        TorchRuntime.start();
        ServedTurns turns =
                new ServedTurns(
                        warmUp,
                        ProcessMemory.now().get("resident"),
                        new BufferedReader(
                                new InputStreamReader(System.in, StandardCharsets.UTF_8)),
                        console);
        try (DistributedTrainer trainer =
                BenchTasks.trainer(
                                BenchTasks.yolo(cfg, imageSize, batch, ranks * (warmUp + steps)),
                                batch * ranks,
                                ranks)
                        .optThreadsPerRank(threads)
                        .optAmp(amp)
                        .optReduction(Reduction.defaults().withShardOptimizerState(sharded))
                        .optDeadlines(Deadlines.defaults().withCollective(LONG))
                        .addObserver(turns)
                        .build()) {
            trainer.train();
        } catch (ServedTurns.EndedException e) {
            // as wanted
        }
        return ExitCode.DONE;
    }
}
