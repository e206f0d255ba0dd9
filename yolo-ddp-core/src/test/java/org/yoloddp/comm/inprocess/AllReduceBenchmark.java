package org.yoloddp.comm.inprocess;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;

/**
 * Times all-reduce between threads beside memcpy of the same size, interleaved: {@code
 * main(ranks)}. The time of a round is the slowest rank's, from a common start.
 */
final class AllReduceBenchmark {

    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private AllReduceBenchmark() {}

    public static void main(String[] args) throws Exception {
        int ranks = args.length > 0 ? Integer.parseInt(args[0]) : 2;
        List<Communicator> group = InProcessCommunicator.group(ranks, DEADLINE);
        for (long bytes : new long[] {1 << 10, 64 << 10, 1_000_000, 7_500_000, 25_000_000}) {
            for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
                run(group, bytes, dtype);
            }
        }
        group.forEach(Communicator::close);
    }

    private static void run(List<Communicator> group, long bytes, DType dtype) throws Exception {
        int rounds = bytes < 500_000 ? 3000 : 60;
        long[][] nanos = new long[group.size()][rounds];
        long[] copies = new long[rounds];
        CyclicBarrier barrier = new CyclicBarrier(group.size());
        List<Thread> threads = new ArrayList<>();
        for (Communicator c : group) {
            Thread thread =
                    new Thread(() -> rank(c, bytes, dtype, nanos[c.rank()], copies, barrier));
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join(TimeUnit.MINUTES.toMillis(2));
        }
        double[] times = new double[rounds];
        for (int i = 0; i < rounds; i++) {
            for (long[] rank : nanos) {
                times[i] = Math.max(times[i], rank[i] / 1e6);
            }
        }
        double[] copyTimes = Arrays.stream(copies).mapToDouble(n -> n / 1e6).toArray();
        double time = median(times);
        double copy = median(copyTimes);
        System.out.printf(
                Locale.ROOT,
                "%d ranks %s %8.3f MB: median %.4f ms, memcpy %.4f ms, ratio %.2f; best %.4f ms,"
                        + " memcpy %.4f ms%n",
                group.size(),
                dtype,
                bytes / 1e6,
                time,
                copy,
                copy / time,
                Arrays.stream(times).min().orElseThrow(),
                Arrays.stream(copyTimes).min().orElseThrow());
    }

    private static void rank(
            Communicator c, long bytes, DType dtype, long[] nanos, long[] copies, CyclicBarrier b) {
        try (CommBuffer buffer = c.allocate(dtype, bytes / dtype.bytes());
                CommBuffer other = c.allocate(DType.F32, bytes / 4)) {
            FloatBuffer from = floats(buffer.bytes());
            FloatBuffer to = floats(other.bytes());
            for (int i = 0; i < nanos.length; i++) {
                long start = System.nanoTime();
                if (c.rank() == 0) {
                    to.put(0, from, 0, from.capacity());
                    copies[i] = System.nanoTime() - start;
                }
                b.await(60, TimeUnit.SECONDS);
                start = System.nanoTime();
                c.allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, "bench").await(DEADLINE);
                nanos[i] = System.nanoTime() - start;
            }
        } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    private static FloatBuffer floats(ByteBuffer bytes) {
        return bytes.order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    private static double median(double[] times) {
        double[] later = Arrays.copyOfRange(times, times.length / 5, times.length);
        Arrays.sort(later);
        return later[later.length / 2];
    }
}
