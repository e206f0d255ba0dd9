package org.yoloddp;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.RankPlace;

/**
 * Which ranks there are, and which of them this JVM runs. Immutable.
 *
 * <p>Ranks are threads of this JVM on its CPU. Processes and GPUs come with communicators of their
 * own; the code of a training doesn't change for them.
 */
public final class World {

    private static final Logger LOG = LoggerFactory.getLogger(World.class);

    private final int size;

    private World(int size) {
        this.size = size;
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
     * Returns the world that a launcher describes by the environment variables {@code WORLD_SIZE}
     * and {@code RANK}, as torchrun sets them; without them, {@link #local()}. What was found is
     * logged. It has to be asked for, since a service may inherit such variables by accident.
     *
     * @return the world
     * @throws ConfigurationException if the variables ask for more than one process, for which this
     *     version has no communicator, or make no sense
     */
    public static World fromEnvironment() {
        return fromEnvironment(System.getenv());
    }

    static World fromEnvironment(Map<String, String> environment) {
        String found = environment.get("WORLD_SIZE");
        if (found == null) {
            LOG.info("WORLD_SIZE is not set: one rank in this process");
            return local();
        }
        if (!found.strip().equals("1")) {
            throw new ConfigurationException(
                    "WORLD_SIZE is '"
                            + found
                            + "', but this version has no communicator between processes: use"
                            + " World.threads(n), or unset WORLD_SIZE");
        }
        LOG.info("WORLD_SIZE is 1: one rank in this process");
        return local();
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
        return size;
    }

    /** Connects the ranks of this JVM. */
    List<RankPlace> connect(Deadlines deadlines, int threadsPerRank) {
        int cores = Runtime.getRuntime().availableProcessors();
        int threads = threadsPerRank > 0 ? threadsPerRank : Math.max(1, cores / size);
        List<RankPlace> places = new ArrayList<>();
        for (Communicator member : InProcessCommunicator.group(size, deadlines.collective())) {
            places.add(new RankPlace(member, Device.cpu(), member.rank(), size, threads));
        }
        return places;
    }

    @Override
    public String toString() {
        return size + (size == 1 ? " rank" : " ranks") + " in this JVM";
    }
}
