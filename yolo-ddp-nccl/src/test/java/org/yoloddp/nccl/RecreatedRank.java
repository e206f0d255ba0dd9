package org.yoloddp.nccl;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Store;
import org.yoloddp.launch.Launcher;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;

/**
 * A rank that connects three times over one store, to be launched: in the first world the third
 * collective hangs, unless the rank was restarted, the second one is aborted by rank 1, the third
 * is good. Then rank 1 ends with code 3, unless it was restarted. Leaves in files of the folder
 * what came of each world.
 */
public final class RecreatedRank {

    static final Duration DEADLINE = Duration.ofSeconds(4);

    private static final Duration LONG = Duration.ofSeconds(30);
    private static final int COUNT = 1000;

    private RecreatedRank() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> environment = System.getenv();
        int generation = Integer.parseInt(environment.get(Launcher.GENERATION_VARIABLE));
        int rank = Integer.parseInt(environment.get("RANK"));
        String[] at = environment.get(Launcher.STORE_VARIABLE).split(":", -1);
        StoreOptions options =
                StoreOptions.defaults()
                        .withJob(environment.get("TORCHELASTIC_RUN_ID"))
                        .withGeneration(generation)
                        .withRank(rank);
        try (TcpStore store =
                TcpStore.connect(
                        new InetSocketAddress(at[0], Integer.parseInt(at[1])),
                        JobToken.fromEnvironment(environment).orElseThrow(),
                        options,
                        LONG)) {
            GroupContext context = context(rank, store);
            store.set("here/" + rank, new byte[0], LONG);
            store.await(List.of("here/0", "here/1"), LONG);
            for (int world = 0; world < 3; world++) {
                Path file = Path.of(arguments[0], "world." + generation + "." + world + "." + rank);
                Files.writeString(file, outcome(context, generation == 0 ? world : world + 3));
            }
            if (rank == 1 && generation == 0) {
                Runtime.getRuntime().halt(3);
            }
        }
    }

    static GroupContext context(int rank, Store store) {
        return new GroupContext(
                rank, 2, rank, GroupContext.localHostId(), MemoryDevice.HOST, store, DEADLINE);
    }

    /** What one world comes to. */
    static String outcome(GroupContext context, int world) {
        try (Communicator c = new NcclProvider().connect(context)) {
            sum(c);
            if (world % 3 == 1 && c.rank() == 1) {
                c.abort(new IllegalStateException("no more of this"));
            }
            sum(c);
            if (world == 0) {
                sum(c);
            }
            return "right";
        } catch (CommunicationException e) {
            return e.getClass().getSimpleName() + ": " + e.getMessage();
        }
    }

    private static void sum(Communicator c) {
        try (CommBuffer buffer = c.allocate(DType.F32, COUNT)) {
            for (int i = 0; i < COUNT; i++) {
                buffer.bytes().putFloat(4 * i, i + c.rank());
            }
            c.allReduce(buffer, ReduceOp.SUM, ComputeStream.HOST, "sum").await(LONG);
            for (int i = 0; i < COUNT; i++) {
                if (buffer.bytes().getFloat(4 * i) != 2f * i + 1) {
                    throw new IllegalStateException("wrong at " + i);
                }
            }
        }
    }
}
