package org.yoloddp.examples;

import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Store;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.nccl.NcclOptions;
import org.yoloddp.nccl.NcclProvider;
import org.yoloddp.nccl.RawNccl;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.Rendezvous;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;

/**
 * One rank on a GPU, a thread or a process: the library's communicator over NCCL, and beside it a
 * stream of its own. Used by the thread that connected it.
 */
final class GpuRank implements AutoCloseable {

    /** How long ranks wait for each other; a rival may have its turn meanwhile. */
    static final Duration DEADLINE = Duration.ofMinutes(5);

    private final int rank;
    private final int size;
    private final int sharing;
    private final MemoryDevice device;
    private final Store store;
    private final Communicator ranks;
    private final RawNccl raw;
    private int meetings;

    private GpuRank(
            int rank, int size, int sharing, MemoryDevice device, Store store, Communicator c) {
        this.rank = rank;
        this.size = size;
        this.sharing = sharing;
        this.device = device;
        this.store = store;
        this.ranks = c;
        this.raw = RawNccl.open(NcclOptions.defaults(), device);
    }

    /** Connects a thread with the others of this JVM, each on the GPU of its number. */
    static GpuRank thread(int rank, int size, Store store) {
        MemoryDevice device = new MemoryDevice("cuda", rank);
        return new GpuRank(
                rank,
                size,
                1,
                device,
                store,
                communicator(context(rank, size, rank, device, store)));
    }

    /**
     * Connects this process with the others that a launcher has started. Ranks of one host take its
     * GPUs by turns.
     *
     * @param gpus how many this process sees
     */
    static GpuRank process(ProcessPlace place, Map<String, String> environment, int gpus) {
        String served = environment.getOrDefault(Launcher.STORE_VARIABLE, "");
        int colon = served.lastIndexOf(':');
        if (colon < 0) {
            throw new ConfigurationException(
                    "This process is rank "
                            + place.rank()
                            + " of "
                            + place.worldSize()
                            + ", but not of 'yolo-ddp launch', which benchmarks of GPUs need for"
                            + " several processes. Start it by 'yolo-ddp launch --nproc-per-node N"
                            + " bench nccl', or by 'yolo-ddp bench nccl --nproc N' on one host.");
        }
        InetSocketAddress address =
                new InetSocketAddress(
                        served.substring(0, colon), Integer.parseInt(served.substring(colon + 1)));
        JobToken token = JobToken.fromEnvironment(environment).orElse(JobToken.none());
        StoreOptions me =
                StoreOptions.defaults()
                        .withJob(place.job())
                        .withGeneration(place.generation())
                        .withRank(place.rank());
        TcpStore store = TcpStore.connect(address, token, me, DEADLINE);
        FailureChannel failures = store.failureChannel(DEADLINE);
        try {
            Rendezvous.join(store, place.rank(), place.worldSize(), Map.of(), DEADLINE);
            MemoryDevice device = new MemoryDevice("cuda", place.localRank() % gpus);
            GroupContext context =
                    context(place.rank(), place.worldSize(), place.localRank(), device, store);
            return new GpuRank(
                    place.rank(),
                    place.worldSize(),
                    Math.max(1, (place.localWorldSize() + gpus - 1) / gpus),
                    device,
                    store,
                    failures.watch(communicator(context), store));
        } catch (RuntimeException e) {
            failures.report(e);
            store.close();
            throw e;
        }
    }

    private static GroupContext context(
            int rank, int size, int localRank, MemoryDevice device, Store store) {
        return new GroupContext(
                rank, size, localRank, GroupContext.localHostId(), device, store, DEADLINE);
    }

    private static Communicator communicator(GroupContext context) {
        return CommunicatorProviders.get(NcclProvider.NAME, context.device()).connect(context);
    }

    /** Runs something, and ends the other ranks' waiting if it fails. */
    <T> T run(Function<GpuRank, T> body) {
        try {
            return body.apply(this);
        } catch (RuntimeException | Error e) {
            ranks.abort(e);
            throw e;
        }
    }

    int rank() {
        return rank;
    }

    int size() {
        return size;
    }

    /** How many ranks share this one's GPU. */
    int sharing() {
        return sharing;
    }

    MemoryDevice device() {
        return device;
    }

    Store store() {
        return store;
    }

    Communicator ranks() {
        return ranks;
    }

    /** The stream beside the communicator's, and NCCL without it. */
    RawNccl raw() {
        return raw;
    }

    /** Connects the bare NCCL with that of the other ranks. */
    void connectRaw() {
        byte[] id = share("raw", rank == 0 ? raw.uniqueId() : new byte[0]).get(0);
        raw.connect(id, rank, size);
    }

    /** Tells all ranks a number, and returns everybody's by rank; all ranks call it alike. */
    double[] all(String what, double mine) {
        return share(what, bytes(mine)).stream()
                .mapToDouble(value -> ByteBuffer.wrap(value).getDouble())
                .toArray();
    }

    /** Of several numbers the largest that any rank has; all ranks call it alike. */
    double[] largest(String what, double[] mine) {
        double[] largest = new double[mine.length];
        for (byte[] theirs : share(what, bytes(mine))) {
            DoubleBuffer values = ByteBuffer.wrap(theirs).asDoubleBuffer();
            for (int i = 0; i < largest.length; i++) {
                largest[i] = Math.max(largest[i], values.get(i));
            }
        }
        return largest;
    }

    /** Tells all ranks something, and returns what each has told. */
    List<byte[]> share(String what, byte[] mine) {
        String prefix = "measured/" + what + "/" + meetings++ + "/";
        store.set(prefix + rank, mine, DEADLINE);
        store.await(IntStream.range(0, size).mapToObj(other -> prefix + other).toList(), DEADLINE);
        return IntStream.range(0, size)
                .mapToObj(other -> store.get(prefix + other, DEADLINE))
                .toList();
    }

    private static byte[] bytes(double... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Double.BYTES);
        bytes.asDoubleBuffer().put(values);
        return bytes.array();
    }

    /** Waits until all ranks are here; twice, so that who had to wait is awake after it. */
    void meet() {
        ranks.barrier("ready").await(DEADLINE);
        ranks.barrier("steady").await(DEADLINE);
    }

    @Override
    public void close() {
        raw.close();
        ranks.close();
        if (store instanceof TcpStore connected) {
            connected.close();
        }
    }
}
