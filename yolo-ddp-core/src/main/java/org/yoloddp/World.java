package org.yoloddp;

import ai.djl.Device;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.launch.Detection;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.train.RankPlace;
import org.yoloddp.train.TrainingSettings;

/**
 * Which ranks there are, and which of them this JVM runs. Immutable.
 *
 * <p>Ranks are threads of this JVM on its CPU ({@link #threads}), or processes on one host or
 * several ({@link #fromEnvironment()}). GPUs come with a communicator of their own; the code of a
 * training doesn't change.
 */
public final class World {

    private static final Logger LOG = LoggerFactory.getLogger(World.class);

    private final int size;
    private final @Nullable ProcessWorld processes;

    private World(int size) {
        this.size = size;
        this.processes = null;
    }

    private World(ProcessWorld processes) {
        this.size = processes.size();
        this.processes = processes;
    }

    /**
     * Returns a world whose ranks are threads of this JVM, sharing its cores evenly.
     *
     * @param ranks the number of ranks, 1 or more
     * @return the world
     * @throws ConfigurationException if the number is below 1
     */
    public static World threads(int ranks) {
        if (ranks < 1) {
            throw new ConfigurationException("a world of " + ranks + " ranks, but it needs one");
        }
        return new World(ranks);
    }

    /**
     * Returns the default: one rank per GPU for which a communicator is on the class path, else one
     * rank on the CPU. This version has no communicator for GPUs, hence always one rank.
     *
     * @return the world
     */
    public static World local() {
        return new World(1);
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
        if (found.place().map(ProcessPlace::worldSize).orElse(1) == 1) {
            return local();
        }
        return new World(new ProcessWorld(environment, found));
    }

    /**
     * Returns the number of ranks.
     *
     * @return the number of ranks, in all processes together
     */
    public int size() {
        return size;
    }

    /** Returns the number of ranks that this JVM runs. */
    int localSize() {
        return processes == null ? size : 1;
    }

    /** Connects the ranks of this JVM. */
    List<RankPlace> connect(TrainingSettings settings, int threadsPerRank) {
        if (processes != null) {
            return List.of(processes.connect(settings, threadsPerRank));
        }
        Duration deadline = settings.deadlines().collective();
        int cores = Runtime.getRuntime().availableProcessors();
        int threads = threadsPerRank > 0 ? threadsPerRank : Math.max(1, cores / size);
        List<RankPlace> places = new ArrayList<>();
        for (Communicator member : InProcessCommunicator.group(size, deadline)) {
            places.add(new RankPlace(member, Device.cpu(), member.rank(), size, threads));
        }
        return places;
    }

    @Override
    public String toString() {
        return processes != null
                ? processes.toString()
                : size + (size == 1 ? " rank" : " ranks") + " in this JVM";
    }
}
