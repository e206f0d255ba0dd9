package org.yoloddp;

import ai.djl.Device;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.launch.Detection;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.train.RankPlace;
import org.yoloddp.train.TrainingSettings;

/**
 * Which ranks there are, and which of them this JVM runs. Immutable.
 *
 * <p>Ranks are threads of this JVM ({@link #threads}, {@link #local}), or processes on one host or
 * several ({@link #fromEnvironment()}); on the CPU or each on a GPU ({@link #withDevices}), where
 * gradients go through the communicator on the class path that can work on it. The code of a
 * training doesn't change.
 */
public final class World {

    private static final Logger LOG = LoggerFactory.getLogger(World.class);

    /** Instead of a number of threads: the only process of a job, on one device. */
    private static final int ALONE = -1;

    /** The ranks of this JVM, 0 for one per device; not used with processes. */
    private final int threads;

    private final DeviceChoice choice;
    private final @Nullable ProcessWorld processes;
    private @Nullable List<Device> devices;

    private World(int threads, DeviceChoice choice, @Nullable ProcessWorld processes) {
        this.threads = threads;
        this.choice = choice;
        this.processes = processes;
    }

    /**
     * Returns a world whose ranks are threads of this JVM, sharing its cores evenly. They compute
     * on its CPU, unless {@link #withDevices} names a GPU for each.
     *
     * @param ranks the number of ranks, 1 or more
     * @return the world
     * @throws ConfigurationException if the number is below 1
     */
    public static World threads(int ranks) {
        if (ranks < 1) {
            throw new ConfigurationException("a world of " + ranks + " ranks, but it needs one");
        }
        return new World(ranks, DeviceChoice.automatic(), null);
    }

    /**
     * Returns the default: one rank per GPU, as threads of this JVM, else one rank on the CPU. Only
     * the first GPU counts if no communicator for GPUs is on the class path. What there is, is
     * looked up when the world is first used.
     *
     * @return the world
     */
    public static World local() {
        return new World(0, DeviceChoice.automatic(), null);
    }

    /**
     * Returns this world on other devices. By default ranks that are processes compute on the GPU
     * whose number they have on their host, if libtorch sees any.
     *
     * @param value the devices of each host
     * @return the copy
     */
    public World withDevices(DeviceChoice value) {
        return new World(threads, value, processes);
    }

    /**
     * Returns the world that this process belongs to by its environment: that of {@code yolo-ddp
     * launch} or torchrun, of SLURM, MPI or an indexed Job of Kubernetes, or RANK, WORLD_SIZE,
     * MASTER_ADDR and MASTER_PORT set by hand; without any of these, {@link #local()}. What was
     * found, and why, is logged. It has to be asked for, since a service may inherit such variables
     * by accident.
     *
     * <p>With more than one rank, this process is one of them, and the others are met when the
     * training starts: within the deadline of collectives, through the job's store, which a
     * launcher serves or else rank 0 at MASTER_ADDR and MASTER_PORT. The secret of the job is in
     * the file that YOLODDP_TOKEN_FILE names, or in YOLODDP_TOKEN; without one the rendezvous works
     * on the loopback interface only, unless YOLODDP_INSECURE_RENDEZVOUS is 1.
     *
     * @return the world
     * @throws ConfigurationException if the variables contradict each other or make no sense
     */
    public static World fromEnvironment() {
        return fromEnvironment(System.getenv());
    }

    /**
     * Returns the world that the environment describes, as {@link #fromEnvironment()} does, but its
     * ranks meet at an endpoint of their own, where rank 0 serves the store: for torchrun whose
     * store is of another version, and networks where MASTER_ADDR doesn't lead to rank 0. The
     * variable YOLODDP_RDZV_ENDPOINT does the same. Beyond loopback a token is needed.
     *
     * @param endpoint host and port, the same for all ranks, such as {@code 10.0.0.1:29501}
     * @return the world
     * @throws ConfigurationException if it is not host and port, or the variables make no sense
     */
    public static World fromEnvironment(String endpoint) {
        ProcessWorld.address(endpoint, "The endpoint of the rendezvous");
        Map<String, String> environment = new HashMap<>(System.getenv());
        environment.put(ProcessWorld.ENDPOINT, endpoint);
        return fromEnvironment(environment);
    }

    static World fromEnvironment(Map<String, String> environment) {
        Detection found = ClusterEnvironments.find(environment);
        LOG.info("{}", found.describe());
        if (found.isPlain()) {
            return local();
        }
        if (found.place().map(ProcessPlace::worldSize).orElse(1) == 1) {
            // Whoever has started one rank wants one, however many GPUs there are.
            return new World(ALONE, DeviceChoice.automatic(), null);
        }
        return new World(0, DeviceChoice.automatic(), new ProcessWorld(environment, found));
    }

    /**
     * Returns the number of ranks. May load libtorch, where that may be one for GPUs.
     *
     * @return the number of ranks, in all processes together
     * @throws ConfigurationException if GPUs are named that are not there
     */
    public int size() {
        return processes == null ? localSize() : processes.size();
    }

    /** Tells whether ranks compute on GPUs: all of them, or none. */
    boolean isOnGpus() {
        return processes == null
                ? devices().get(0).isGpu()
                : DevicePlan.ofThisMachine().kind(choice).equals("gpu");
    }

    /** Returns the number of ranks that this JVM runs. */
    int localSize() {
        return processes != null ? 1 : devices().size();
    }

    private synchronized List<Device> devices() {
        List<Device> known = devices;
        if (known == null) {
            known =
                    threads > 0 && choice.indices().isEmpty()
                            ? Collections.nCopies(threads, Device.cpu())
                            : plan();
            devices = known;
        }
        return known;
    }

    private List<Device> plan() {
        DevicePlan plan = DevicePlan.ofThisMachine();
        if (threads == ALONE) {
            return List.of(plan.process(choice, 0, 1));
        }
        return threads > 0 ? plan.threads(choice, threads) : plan.local(choice);
    }

    /** Connects the ranks of this JVM. */
    List<RankPlace> connect(TrainingSettings settings, int threadsPerRank) {
        if (processes != null) {
            return List.of(processes.connect(settings, threadsPerRank, choice));
        }
        return LocalRanks.connect(devices(), settings.deadlines().collective(), threadsPerRank);
    }

    @Override
    public String toString() {
        if (processes != null) {
            return processes.toString();
        }
        int size = localSize();
        return size + (size == 1 ? " rank" : " ranks") + " in this JVM";
    }
}
