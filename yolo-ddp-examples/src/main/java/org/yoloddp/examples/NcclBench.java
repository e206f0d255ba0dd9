package org.yoloddp.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;
import org.yoloddp.error.ConfigurationException;

/**
 * One rank of {@code bench nccl}. All ranks go through the same plan: for each size the library's
 * communicator, bare NCCL and PyTorch take turns. A turn reduces some times; each time takes
 * several slices one after the other, as a training's buckets are, and is over when the stream that
 * uses them has passed the last.
 */
final class NcclBench implements AutoCloseable {

    static final String RAW = "raw NCCL calls";
    static final String TORCH = "torch.distributed";
    private static final String OURS = "yolo-ddp";

    private static final long BYTES_AT_ONCE = 64L << 20;
    private static final int MOST_SLICES = 20;
    private static final long BYTES_OF_A_TURN = 256L << 20;
    private static final int FEWEST_TIMES = 2;

    /** The share of the free memory that is used, since a GPU's memory breaks up. */
    private static final double SHARE = .8;

    /**
     * What is measured.
     *
     * @param sizes in bytes
     * @param turns how often each has its turn, after one that warms up
     * @param times how often each reduces in a turn; large sizes less often
     * @param options whether PyTorch takes part
     * @param backend of PyTorch: nccl, or gloo where there is no GPU to test it on
     */
    record Plan(List<Long> sizes, int turns, int times, BenchOptions options, String backend) {}

    private final GpuRank rank;
    private final Plan plan;
    private final @Nullable TurnProcess torch;

    NcclBench(GpuRank rank, Plan plan) {
        this.rank = rank;
        this.plan = plan;
        rank.connectRaw();
        torch = plan.options().withPython() ? startTorch() : null;
    }

    /** PyTorch's ranks meet at a port that rank 0 has found free. */
    private TurnProcess startTorch() {
        String host = System.getenv().getOrDefault("MASTER_ADDR", "127.0.0.1");
        byte[] mine = rank.rank() == 0 ? freePort(host) : new byte[0];
        String meet = new String(rank.share("torch", mine).get(0), StandardCharsets.UTF_8);
        return plan.options()
                .start(
                        "rival_nccl.py",
                        List.of(
                                "--rank=" + rank.rank(),
                                "--size=" + rank.size(),
                                "--device=" + rank.device().index(),
                                "--backend=" + plan.backend(),
                                "--meet=tcp://" + meet),
                        false);
    }

    private static byte[] freePort(String host) {
        try (ServerSocket socket = new ServerSocket(0)) {
            return (host + ":" + socket.getLocalPort()).getBytes(StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Map<String, String> rivals() {
        return torch == null ? Map.of() : torch.versions();
    }

    /** Measures all sizes that the memory has room for; the rows are the same on all ranks. */
    List<BenchReport.Row> run(Console console) {
        List<Long> fitting = fitting(console);
        List<BenchReport.Row> rows = new ArrayList<>();
        for (long bytes : fitting) {
            rows.addAll(run(bytes));
        }
        return rows;
    }

    private List<Long> fitting(Console console) {
        // PyTorch keeps a result to compare with beside its pattern and its buffer.
        int parts = torch == null ? 1 : 4;
        double mine = rank.raw().freeBytes() * SHARE / parts / rank.sharing();
        double room = Arrays.stream(rank.all("room", mine)).min().orElseThrow();
        List<Long> fitting =
                plan.sizes().stream()
                        .filter(bytes -> RefilledMemory.bytesFor(bytes / Float.BYTES) <= room)
                        .toList();
        if (fitting.isEmpty()) {
            throw new ConfigurationException(
                    "The GPUs have no room for any of the sizes "
                            + plan.sizes()
                            + " in bytes: give smaller ones by --bytes, or end what else uses the"
                            + " GPUs (nvidia-smi shows it).");
        }
        if (fitting.size() < plan.sizes().size() && rank.rank() == 0) {
            List<Long> left = new ArrayList<>(plan.sizes());
            left.removeAll(fitting);
            console.warn("no room on the GPUs for " + left + " bytes, which are left out");
        }
        return fitting;
    }

    private List<BenchReport.Row> run(long bytes) {
        int slices = (int) Math.max(1, Math.min(MOST_SLICES, BYTES_AT_ONCE / bytes));
        long atOnce = bytes * slices;
        int times = (int) Math.max(FEWEST_TIMES, Math.min(plan.times(), BYTES_OF_A_TURN / atOnce));
        Map<String, List<Double>> millis = new LinkedHashMap<>();
        millis.put(OURS, new ArrayList<>());
        millis.put(RAW, new ArrayList<>());
        if (torch != null) {
            millis.put(TORCH, new ArrayList<>());
        }
        try (RefilledMemory memory = new RefilledMemory(rank, bytes / Float.BYTES, slices)) {
            for (int turn = -1; turn < plan.turns(); turn++) {
                for (Map.Entry<String, List<Double>> contender : millis.entrySet()) {
                    String who = contender.getKey();
                    double[] own = turn(who, memory, times, slices, bytes);
                    double[] slowest = rank.largest(who, own);
                    if (turn >= 0) {
                        Arrays.stream(slowest)
                                .map(time -> time / slices)
                                .forEach(contender.getValue()::add);
                    }
                }
            }
        }
        return rows(bytes, millis);
    }

    private double[] turn(String who, RefilledMemory memory, int times, int slices, long bytes) {
        if (who.equals(TORCH) && torch != null) {
            return torch.run(times, slices + " " + bytes).millis();
        }
        double[] millis = new double[times];
        for (int i = 0; i < times; i++) {
            memory.refill();
            rank.meet();
            millis[i] = who.equals(OURS) ? ours(memory) : raw(memory);
            memory.verify(who);
        }
        return millis;
    }

    private double ours(RefilledMemory memory) {
        List<Work> works = new ArrayList<>();
        long start = System.nanoTime();
        for (CommBuffer slice : memory.slices()) {
            works.add(rank.ranks().allReduce(slice, ReduceOp.SUM, rank.raw().stream(), "bench"));
        }
        works.get(works.size() - 1).orderBefore(rank.raw().stream());
        rank.raw().await("all-reduce", GpuRank.DEADLINE);
        double millis = (System.nanoTime() - start) / 1e6;
        works.forEach(work -> work.await(GpuRank.DEADLINE));
        return millis;
    }

    private double raw(RefilledMemory memory) {
        long start = System.nanoTime();
        for (CommBuffer slice : memory.slices()) {
            rank.raw().allReduce(slice);
        }
        rank.raw().await("all-reduce", GpuRank.DEADLINE);
        return (System.nanoTime() - start) / 1e6;
    }

    private List<BenchReport.Row> rows(long bytes, Map<String, List<Double>> millis) {
        double mine = BenchReport.median(millis.get(OURS));
        String name = rank.size() + " ranks, " + bytes + " bytes";
        List<BenchReport.Row> rows = new ArrayList<>();
        for (String rival : millis.keySet()) {
            if (!rival.equals(OURS)) {
                double theirs = BenchReport.median(millis.get(rival));
                rows.add(
                        BenchReport.Row.against(name, mine, rival, theirs)
                                .withBandwidth(
                                        bandwidth(bytes, mine, rank.size()),
                                        bandwidth(bytes, theirs, rank.size())));
            }
        }
        return rows;
    }

    /**
     * GB/s as nccl-tests tells them: algbw is the bytes of a rank by the time; busbw is that times
     * 2(n-1)/n, which can be compared with the speed of the slowest link whatever n is.
     */
    static Map<String, Double> bandwidth(long bytes, double millis, int ranks) {
        double algorithm = bytes / (millis * 1e6);
        return Map.of("algbw", algorithm, "busbw", algorithm * 2 * (ranks - 1) / ranks);
    }

    @Override
    public void close() {
        if (torch != null) {
            torch.close();
        }
    }
}
