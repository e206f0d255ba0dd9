package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code yolo-ddp bench allreduce-rank}: one rank that reduces when asked to by a line on stdin, as
 * python/rival_allreduce.py does.
 */
@Command(
        name = "allreduce-rank",
        hidden = true,
        description = "Reduces when told by 'run N KIND BYTES' on stdin; for bench allreduce.")
final class BenchAllReduceRankCommand implements Callable<Integer> {

    private static final Duration DEADLINE = Duration.ofMinutes(2);
    private static final Pattern RUN = Pattern.compile("run (\\d+) (\\S+) (\\d+)");
    private static final int CHUNK = 4096;

    private final Console console;

    @Option(names = "--rank", required = true)
    private int rank;

    @Option(names = "--size", required = true)
    private int size;

    @Option(names = "--store-port", required = true)
    private int port;

    @Option(names = "--host-id", required = true)
    private String host = "";

    private final float[] values = new float[CHUNK];
    private final float[] expected = new float[CHUNK];
    private @Nullable CommBuffer buffer;
    private String prepared = "";
    private long iteration;

    BenchAllReduceRankCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        Gson gson = new Gson();
        Map<String, String> versions =
                Map.of("yolo-ddp", Version.text(), "java", System.getProperty("java.version"));
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        StoreOptions me = StoreOptions.defaults().withRank(rank);
        try (TcpStore store = TcpStore.connect(address, JobToken.none(), me, DEADLINE);
                Communicator communicator =
                        CommunicatorProviders.get("tcp")
                                .connect(
                                        new GroupContext(
                                                rank,
                                                size,
                                                rank,
                                                host,
                                                MemoryDevice.HOST,
                                                store,
                                                DEADLINE))) {
            console.print(gson.toJson(Map.of("versions", versions)));
            BufferedReader requests =
                    new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                Matcher run = RUN.matcher(line.strip());
                if (!run.matches()) {
                    break;
                }
                double[] millis =
                        run(
                                communicator,
                                Integer.parseInt(run.group(1)),
                                run.group(2),
                                Long.parseLong(run.group(3)));
                console.print(gson.toJson(new TurnProcess.Turn(millis, Map.of())));
            }
        }
        return ExitCode.DONE;
    }

    private double[] run(Communicator communicator, int iterations, String kind, long bytes) {
        CommBuffer memory = prepare(communicator, kind, bytes / Float.BYTES);
        double[] millis = new double[iterations];
        for (int i = 0; i < iterations; i++) {
            millis[i] = kind.equals("memcpy") ? copy(memory) : reduce(communicator, memory);
        }
        return millis;
    }

    private CommBuffer prepare(Communicator communicator, String kind, long count) {
        String wanted = kind + " " + count;
        CommBuffer known = buffer;
        if (known == null || !wanted.equals(prepared)) {
            if (known != null) {
                known.close();
            }
            boolean shared = kind.equals("shared-memory") || kind.equals("loopback-sockets");
            known =
                    shared
                            ? communicator.allocate(DType.F32, count)
                            : HostBuffer.allocate(DType.F32, count);
            buffer = known;
            prepared = wanted;
        }
        return known;
    }

    private static double copy(CommBuffer memory) {
        try (HostBuffer to = HostBuffer.allocate(memory.dtype(), memory.count())) {
            HostBuffer from = HostBuffer.of(memory);
            // Once before, as the other has been touched before too.
            from.copyTo(to, 0, 0, memory.count());
            long start = System.nanoTime();
            from.copyTo(to, 0, 0, memory.count());
            return (System.nanoTime() - start) / 1e6;
        }
    }

    private double reduce(Communicator communicator, CommBuffer memory) {
        iteration++;
        FloatBuffer floats = memory.bytes().asFloatBuffer();
        int count = floats.capacity();
        for (int at = 0; at < count; at += CHUNK) {
            int n = Math.min(CHUNK, count - at);
            fill(values, at, rank + 1);
            floats.put(at, values, 0, n);
        }
        // Twice, so that who had to wait for the slower one's filling is awake when the clock
        // starts.
        communicator.barrier("ready").await(DEADLINE);
        communicator.barrier("steady").await(DEADLINE);
        long start = System.nanoTime();
        communicator.allReduce(memory, ReduceOp.SUM, ComputeStream.HOST, "bench").await(DEADLINE);
        double millis = (System.nanoTime() - start) / 1e6;
        for (int at = 0; at < count; at += CHUNK) {
            int n = Math.min(CHUNK, count - at);
            fill(expected, at, size * (size + 1) / 2);
            floats.get(at, values, 0, n);
            if (!Arrays.equals(values, 0, n, expected, 0, n)) {
                throw new IllegalStateException("The result is wrong behind element " + at);
            }
        }
        return millis;
    }

    /** Whole numbers below 2 to the 24, so that their sums are exact. */
    private void fill(float[] to, int from, int factor) {
        int start = (int) (iteration % 97) + from % 1009;
        for (int i = 0; i < CHUNK; i++) {
            to[i] = (start + i) * factor;
        }
    }
}
