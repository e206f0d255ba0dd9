package org.yoloddp.nccl;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;

/**
 * A rank in a JVM of its own that does steps of two buckets as the trainer does on a GPU: rank,
 * port of the store, the number of steps, the step from which rank 1 asks for something else.
 */
final class StepsOfRank {

    private static final Duration DEADLINE = Duration.ofSeconds(30);
    private static final int COUNT = 64;

    private StepsOfRank() {}

    public static void main(String[] args) {
        int rank = Integer.parseInt(args[0]);
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[1]));
        JobToken token = JobToken.fromEnvironment(System.getenv()).orElseThrow();
        int optimized = -1;
        try (TcpStore store =
                        TcpStore.connect(
                                address, token, StoreOptions.defaults().withRank(rank), DEADLINE);
                Communicator c = connect(store, rank)) {
            Cuda cuda = NcclLibrary.load(NcclOptions.defaults()).cuda();
            try (NcclStream stream = NcclStream.create(cuda, rank);
                    CommBuffer first = c.allocate(DType.F32, COUNT, stream.device());
                    CommBuffer second = c.allocate(DType.F32, COUNT, stream.device())) {
                for (int step = 0; step < Integer.parseInt(args[2]); step++) {
                    c.progress("train", step);
                    boolean wrong = rank == 1 && step >= Integer.parseInt(args[3]);
                    Work one = c.allReduce(first, ReduceOp.AVG, stream, "bucket 0");
                    String tag = wrong ? "bucket 2" : "bucket 1";
                    Work two = c.allReduce(second, ReduceOp.AVG, stream, tag);
                    one.orderBefore(stream);
                    two.orderBefore(stream);
                    optimized = step;
                }
            }
            print("done");
        } catch (CommunicationException e) {
            print(e.getClass().getSimpleName() + ": " + e.getMessage());
        }
        print("optimized " + optimized);
    }

    private static Communicator connect(TcpStore store, int rank) {
        return new NcclProvider()
                .connect(
                        new GroupContext(
                                rank,
                                2,
                                rank,
                                "here",
                                new MemoryDevice(NcclStream.CUDA, rank),
                                store,
                                DEADLINE));
    }

    private static void print(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
