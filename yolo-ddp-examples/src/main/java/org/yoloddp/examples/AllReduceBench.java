package org.yoloddp.examples;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;

/** Worlds of processes that take turns at all-reduce: ours in shared memory, over sockets, gloo. */
final class AllReduceBench implements AutoCloseable {

    private static final String SHARED = "shared memory";
    private static final String ORDINARY = "ordinary memory";
    private static final String SOCKETS = "loopback sockets";
    private static final String MEMCPY = "memcpy";
    private static final String GLOO = "gloo";

    private final int size;
    private final int warmUpSeconds;
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final Map<String, RankProcesses> contenders = new LinkedHashMap<>();
    private final RankProcesses ours;
    private boolean warm;

    /**
     * Starts the processes.
     *
     * @param size how many ranks
     * @param warmUpSeconds how long each of our ways is repeated before the first turn: the JVM
     *     compiles for some seconds, and a call takes ten times as long meanwhile
     */
    AllReduceBench(int size, int warmUpSeconds, BenchOptions options) throws IOException {
        this.size = size;
        this.warmUpSeconds = warmUpSeconds;
        try {
            ours = ours(rank -> "here");
            contenders.put(SHARED, ours);
            contenders.put(ORDINARY, ours);
            contenders.put(SOCKETS, ours(rank -> rank < size / 2 ? "one" : "other"));
            if (options.withPython()) {
                contenders.put(GLOO, gloo(options));
            }
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    private RankProcesses ours(IntFunction<String> host) {
        StoreServer store =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        JobToken.none(),
                        StoreOptions.defaults());
        opened.add(store);
        return new RankProcesses(
                "allreduce",
                size,
                rank ->
                        TurnProcess.ours(
                                List.of(
                                        "bench",
                                        "allreduce-rank",
                                        "--rank=" + rank,
                                        "--size=" + size,
                                        "--store-port=" + store.address().getPort(),
                                        "--host-id=" + host.apply(rank))));
    }

    private RankProcesses gloo(BenchOptions options) throws IOException {
        Path folder = Files.createTempDirectory("yolo-ddp-gloo-");
        opened.add(() -> Folders.delete(folder));
        int threadsEach = Math.max(1, Runtime.getRuntime().availableProcessors() / size);
        return new RankProcesses(
                "allreduce",
                size,
                rank ->
                        options.start(
                                "rival_allreduce.py",
                                List.of(
                                        "--rank=" + rank,
                                        "--size=" + size,
                                        "--threads=" + threadsEach,
                                        "--meet=" + folder.resolve("meet")),
                                false));
    }

    List<TurnProcess> processes() {
        return contenders.values().stream().map(RankProcesses::first).toList();
    }

    /** Lets all take turns with so many bytes. */
    List<BenchReport.Row> run(long bytes, int turns) {
        // Enough for the scheduler to see that ranks it has just woken share a core.
        int iterations = (int) Math.max(3, Math.min(3000, 200_000_000 / bytes));
        Map<String, List<Double>> times = new LinkedHashMap<>();
        times.put(MEMCPY, new ArrayList<>());
        contenders.keySet().forEach(name -> times.put(name, new ArrayList<>()));
        // The first turn lets the JVM compile what is new with so many bytes.
        for (String name : times.keySet()) {
            long start = System.nanoTime();
            int n = name.equals(GLOO) ? iterations : 2 * iterations;
            do {
                turn(name, n, bytes);
            } while (isCold(name) && System.nanoTime() - start < warmUpSeconds * 1_000_000_000L);
        }
        warm = true;
        for (int turn = 0; turn < turns; turn++) {
            times.forEach(
                    (name, all) -> Arrays.stream(turn(name, iterations, bytes)).forEach(all::add));
        }
        return rows(bytes, times);
    }

    private boolean isCold(String name) {
        return !warm && !name.equals(GLOO) && !name.equals(MEMCPY);
    }

    private double[] turn(String name, int iterations, long bytes) {
        String kind = name.replace(' ', '-') + " " + bytes;
        return name.equals(MEMCPY)
                ? ours.first().run(iterations, kind).millis()
                : slowest(contenders.get(name).run(iterations, kind));
    }

    private List<BenchReport.Row> rows(long bytes, Map<String, List<Double>> times) {
        List<BenchReport.Row> rows = new ArrayList<>();
        for (String name : contenders.keySet()) {
            if (name.equals(GLOO)) {
                continue;
            }
            double mine = BenchReport.median(times.get(name));
            String row = size + " ranks, " + bytes + " bytes, " + name;
            List<Double> theirs = times.get(GLOO);
            rows.add(
                    theirs == null
                            ? BenchReport.Row.alone(row, mine)
                            : BenchReport.Row.against(row, mine, GLOO, BenchReport.median(theirs)));
            if (name.equals(SHARED)) {
                rows.add(
                        BenchReport.Row.against(
                                row, mine, MEMCPY, BenchReport.median(times.get(MEMCPY))));
            }
        }
        return rows;
    }

    /** Each iteration's time is that of the slowest rank. */
    private static double[] slowest(List<TurnProcess.Turn> turns) {
        double[] slowest = new double[turns.get(0).millis().length];
        for (TurnProcess.Turn turn : turns) {
            Arrays.setAll(slowest, i -> Math.max(slowest[i], turn.millis()[i]));
        }
        return slowest;
    }

    @Override
    public void close() {
        contenders.values().stream().distinct().forEach(RankProcesses::close);
        for (AutoCloseable resource : opened) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new IllegalStateException("A resource of the benchmark cannot be closed", e);
            }
        }
    }
}
