package org.yoloddp.comm;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.comm.tcp.TcpOptions;
import org.yoloddp.comm.tcp.TcpProvider;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;

/** A rank in a JVM of its own: rank, size, port of the store, host, folder, what to do. */
final class RankProcess {

    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private RankProcess() {}

    public static void main(String[] args) throws Exception {
        int rank = Integer.parseInt(args[0]);
        int size = Integer.parseInt(args[1]);
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[2]));
        TcpProvider provider =
                new TcpProvider(TcpOptions.defaults().withSharedMemory(Path.of(args[4])));
        JobToken token = JobToken.fromEnvironment(System.getenv()).orElseThrow();
        try (TcpStore store =
                        TcpStore.connect(
                                address, token, StoreOptions.defaults().withRank(rank), DEADLINE);
                Communicator c =
                        provider.connect(
                                new GroupContext(
                                        rank,
                                        size,
                                        rank,
                                        args[3],
                                        MemoryDevice.HOST,
                                        store,
                                        DEADLINE))) {
            if (args[5].equals("reduce")) {
                reduce(c);
            } else {
                waitForever(c);
            }
        }
    }

    private static void reduce(Communicator c) {
        for (int count : new int[] {3, 1000, 700_000}) {
            try (CommBuffer shared = c.allocate(DType.F32, count);
                    CommBuffer ordinary = HostBuffer.allocate(DType.F32, count)) {
                for (int i = 0; i < count; i++) {
                    shared.bytes().putFloat(4 * i, i % 1000 + c.rank());
                    ordinary.bytes().putFloat(4 * i, i % 1000 - c.rank());
                }
                c.allReduce(shared, ReduceOp.SUM, ComputeStream.HOST, "shared");
                c.allReduce(ordinary, ReduceOp.SUM, ComputeStream.HOST, "ordinary").await(DEADLINE);
                int ranks = c.size() * (c.size() - 1) / 2;
                for (int i = 0; i < count; i++) {
                    float all = i % 1000 * c.size();
                    if (shared.bytes().getFloat(4 * i) != all + ranks
                            || ordinary.bytes().getFloat(4 * i) != all - ranks) {
                        throw new IllegalStateException("wrong at " + i + " of " + count);
                    }
                }
            }
        }
        System.out.write("reduced\n".getBytes(StandardCharsets.UTF_8), 0, 8);
        System.out.flush();
    }

    private static void waitForever(Communicator c) throws Exception {
        c.progress("train", 7);
        c.barrier("start").await(DEADLINE);
        c.allocate(DType.F32, 1_000_000);
        // Heartbeats are at least 50 ms apart; this one tells of the step.
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200));
        c.progress("train", 7);
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
        System.out.write("ready\n".getBytes(StandardCharsets.UTF_8), 0, 6);
        System.out.flush();
        if (c.rank() == 1) {
            // Until it is killed, or nobody is there any more.
            System.in.read();
        }
        try {
            c.barrier("never").await(DEADLINE);
        } catch (RankFailedException e) {
            String line = e.rank() + " " + e.step() + " " + e.getMessage() + "\n";
            byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        }
    }
}
