package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.TrainingTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code yolo-ddp bench scaling-rank}: one rank that takes steps in one of three ways when asked to
 * by a line on stdin, as python/rival_ranks.py does.
 */
@Command(
        name = "scaling-rank",
        hidden = true,
        description = "Takes steps when told by 'run N WAY' on stdin; for bench scaling.")
final class BenchScalingRankCommand implements Callable<Integer> {

    /** A rank may wait while rivals have their turns. */
    private static final Duration DEADLINE = Duration.ofMinutes(10);

    private static final Pattern RUN = Pattern.compile("run (\\d+) (\\S+)");

    private final Console console;

    @Mixin private BenchModels models = new BenchModels();

    @Option(names = "--rank", required = true)
    private int rank;

    @Option(names = "--size", required = true)
    private int size;

    @Option(names = "--store-port", required = true)
    private int port;

    @Option(names = "--threads", required = true)
    private int threads;

    BenchScalingRankCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        TorchRuntime.start();
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        StoreOptions me = StoreOptions.defaults().withRank(rank);
        TrainingTask task = models.task(models.models.get(0));
        int[] all = IntStream.range(0, size).toArray();
        try (TcpStore store = TcpStore.connect(address, JobToken.none(), me, DEADLINE);
                Communicator world =
                        CommunicatorProviders.get("tcp")
                                .connect(
                                        new GroupContext(
                                                rank,
                                                size,
                                                rank,
                                                GroupContext.localHostId(),
                                                MemoryDevice.HOST,
                                                store,
                                                DEADLINE));
                Communicator barrier = world.split("barrier", all).orElseThrow();
                HandLoop independent = HandLoop.alone(task, threads);
                HandLoop waiting = HandLoop.waiting(task, threads, barrier);
                HandLoop full = HandLoop.together(task, threads, world, Reduction.defaults())) {
            serve(
                    Map.of(
                            VariantBench.INDEPENDENT,
                            independent,
                            VariantBench.BARRIER_ONLY,
                            waiting,
                            VariantBench.FULL,
                            full));
        }
        return ExitCode.DONE;
    }

    private void serve(Map<String, HandLoop> ways) throws IOException {
        Gson gson = new Gson();
        console.print(gson.toJson(Map.of("versions", BenchReport.ourVersions())));
        BufferedReader requests =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            Matcher run = RUN.matcher(line.strip());
            HandLoop way = run.matches() ? ways.get(run.group(2)) : null;
            if (way == null) {
                return;
            }
            double[] millis = way.run(Integer.parseInt(run.group(1)));
            console.print(gson.toJson(new TurnProcess.Turn(millis, Map.of())));
        }
    }
}
