package org.yoloddp.examples;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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

    private static final long MINUTES = 10;

    /** Processes of one world, which start together and take turns together. */
    private final class Ranks {

        final List<TurnProcess> processes = new ArrayList<>();

        Ranks(int size, IntFunction<TurnProcess> start) {
            List<Future<TurnProcess>> started = new ArrayList<>();
            for (int rank = 0; rank < size; rank++) {
                int mine = rank;
                started.add(threads.submit(() -> start.apply(mine)));
            }
            started.forEach(process -> processes.add(get(process)));
        }

        /** Lets all ranks iterate, and returns the slowest's time of each iteration. */
        double[] run(int iterations, String kind) {
            List<Future<TurnProcess.Turn>> running = new ArrayList<>();
            for (TurnProcess process : processes) {
                running.add(threads.submit(() -> process.run(iterations, kind)));
            }
            double[] slowest = new double[iterations];
            for (Future<TurnProcess.Turn> turn : running) {
                double[] millis = get(turn).millis();
                Arrays.setAll(slowest, i -> Math.max(slowest[i], millis[i]));
            }
            return slowest;
        }
    }

    private final int size;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final Map<String, Ranks> contenders = new LinkedHashMap<>();
    private final Ranks ours;

    AllReduceBench(int size, BenchOptions options) throws IOException {
        this.size = size;
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

    private Ranks ours(IntFunction<String> host) {
        StoreServer store =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        JobToken.none(),
                        StoreOptions.defaults());
        opened.add(store);
        return new Ranks(
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

    private Ranks gloo(BenchOptions options) throws IOException {
        Path folder = Files.createTempDirectory("yolo-ddp-gloo-");
        opened.add(() -> Folders.delete(folder));
        int threadsEach = Math.max(1, Runtime.getRuntime().availableProcessors() / size);
        return new Ranks(
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
        return contenders.values().stream().map(ranks -> ranks.processes.get(0)).toList();
    }

    /** Lets all take turns with so many bytes. */
    List<BenchReport.Row> run(long bytes, int turns) {
        int iterations = (int) Math.max(3, Math.min(500, 40_000_000 / bytes));
        Map<String, List<Double>> times = new LinkedHashMap<>();
        times.put(MEMCPY, new ArrayList<>());
        contenders.keySet().forEach(name -> times.put(name, new ArrayList<>()));
        for (int turn = -1; turn < turns; turn++) {
            // The first turn lets the JVM compile.
            int n = turn < 0 ? Math.min(8000, iterations * 10) : iterations;
            for (Map.Entry<String, List<Double>> entry : times.entrySet()) {
                String name = entry.getKey();
                Ranks ranks = contenders.getOrDefault(name, ours);
                String kind = name.replace(' ', '-') + " " + bytes;
                double[] millis =
                        name.equals(MEMCPY)
                                ? ours.processes.get(0).run(n, kind).millis()
                                : ranks.run(name.equals(GLOO) ? iterations : n, kind);
                if (turn >= 0) {
                    Arrays.stream(millis).forEach(entry.getValue()::add);
                }
            }
        }
        return rows(bytes, times);
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

    private static <T> T get(Future<T> future) {
        try {
            return future.get(MINUTES, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw RivalException.silent("allreduce", Duration.ofMinutes(MINUTES));
        } catch (TimeoutException e) {
            throw RivalException.silent("allreduce", Duration.ofMinutes(MINUTES));
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new IllegalStateException(e.getCause());
        }
    }

    @Override
    public void close() {
        boolean interrupted = Thread.interrupted();
        List<Future<?>> closing = new ArrayList<>();
        contenders.values().stream()
                .distinct()
                .flatMap(ranks -> ranks.processes.stream())
                .forEach(process -> closing.add(threads.submit(process::close)));
        closing.forEach(AllReduceBench::get);
        for (AutoCloseable resource : opened) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new IllegalStateException("A resource of the benchmark cannot be closed", e);
            }
        }
        threads.shutdownNow();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
