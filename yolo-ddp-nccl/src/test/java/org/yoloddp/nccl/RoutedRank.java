package org.yoloddp.nccl;

import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.RoutingCommunicator;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.tcp.TcpProvider;
import org.yoloddp.launch.Launcher;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;

/**
 * A rank with tcp for its host and NCCL for its device, to be launched: arguments are a folder and
 * the signal that ends rank 1. The others wait meanwhile on the device, for work behind a
 * collective that rank 1 has no part in, and never ask the communicator; they leave what they are
 * told afterwards, and how many milliseconds after the signal the device was free again.
 */
public final class RoutedRank {

    private static final Duration LONG = Duration.ofSeconds(60);
    private static final int COUNT = 1000;

    private RoutedRank() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Map<String, String> environment = System.getenv();
        int rank = Integer.parseInt(environment.get("RANK"));
        String[] at = environment.get(Launcher.STORE_VARIABLE).split(":", -1);
        StoreOptions options =
                StoreOptions.defaults()
                        .withJob(environment.get("TORCHELASTIC_RUN_ID"))
                        .withGeneration(
                                Integer.parseInt(environment.get(Launcher.GENERATION_VARIABLE)))
                        .withRank(rank);
        try (TcpStore store =
                TcpStore.connect(
                        new InetSocketAddress(at[0], Integer.parseInt(at[1])),
                        JobToken.fromEnvironment(environment).orElseThrow(),
                        options,
                        LONG)) {
            FailureChannel channel = store.failureChannel(LONG);
            MemoryDevice device = new MemoryDevice(NcclStream.CUDA, rank);
            Communicator both =
                    RoutingCommunicator.of(
                            new TcpProvider().connect(context(rank, MemoryDevice.HOST, store)),
                            new NcclProvider().connect(context(rank, device, store)));
            play(channel.watch(both, () -> {}), device, folder, arguments[1]);
        }
    }

    private static GroupContext context(int rank, MemoryDevice device, TcpStore store) {
        return new GroupContext(
                rank,
                Integer.parseInt(System.getenv("WORLD_SIZE")),
                rank,
                GroupContext.localHostId(),
                device,
                store,
                LONG);
    }

    private static void play(Communicator c, MemoryDevice device, Path folder, String signal)
            throws Exception {
        Cuda cuda = NcclLibrary.load(NcclOptions.defaults()).cuda();
        Path fault = folder.resolve("fault");
        try (NcclStream stream = NcclStream.create(cuda, c.rank());
                CommBuffer buffer = c.allocate(DType.U8, COUNT, device)) {
            c.progress("training", 7);
            Work first = c.allReduce(buffer, ReduceOp.SUM, stream, "first");
            first.orderBefore(stream);
            await(stream);
            first.await(LONG);
            c.barrier("all are here").await(LONG);
            if (c.rank() == 1) {
                // Heartbeats are at least 50 ms apart: the next one tells of the step.
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200));
                Files.createFile(fault);
                String pid = Long.toString(ProcessHandle.current().pid());
                new ProcessBuilder("kill", "-" + signal, pid).start().waitFor(30, TimeUnit.SECONDS);
                LockSupport.parkNanos(LONG.toNanos());
                return;
            }
            Work second = c.allReduce(buffer, ReduceOp.SUM, stream, "second");
            second.orderBefore(stream);
            await(stream);
            long millis = System.currentTimeMillis() - Files.getLastModifiedTime(fault).toMillis();
            try {
                second.await(LONG);
            } catch (CommunicationException e) {
                int blamed = e instanceof RankFailedException failed ? failed.rank() : -1;
                Files.writeString(
                        folder.resolve("told." + c.rank()),
                        millis + "\n" + blamed + "\n" + e.getMessage());
            }
        }
    }

    /** As the host waits for a loss: it sees nothing but the device. */
    private static void await(NcclStream stream) {
        try (StreamEvent event = stream.record()) {
            long end = System.nanoTime() + LONG.toNanos();
            while (!event.hasPassed()) {
                if (System.nanoTime() - end > 0) {
                    throw new IllegalStateException("the device never ended");
                }
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
            }
        }
    }
}
