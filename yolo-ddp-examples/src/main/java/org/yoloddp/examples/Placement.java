package org.yoloddp.examples;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.DeviceChoice;
import org.yoloddp.World;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.launch.Detection;

/**
 * Whether this process is one of several ranks, as the environment of {@code launch}, torchrun or a
 * cluster says, or runs all ranks itself.
 *
 * @param launched true if RANK and WORLD_SIZE are set, or a cluster has started several ranks
 * @param rank this process's rank, 0 if it runs all
 * @param found the cluster and what tells of it; empty with RANK and WORLD_SIZE
 */
record Placement(boolean launched, int rank, Optional<String> found) {

    private static final Placement ALONE = new Placement(false, 0, Optional.empty());

    /**
     * Looks at the environment.
     *
     * @param environment the variables
     * @param asksForThreads whether {@code --nproc} is given, which a cluster doesn't override
     */
    static Placement of(Map<String, String> environment, boolean asksForThreads) {
        String rank = environment.get("RANK");
        if (rank == null || environment.get("WORLD_SIZE") == null) {
            return asksForThreads ? ALONE : cluster(ClusterEnvironments.find(environment));
        }
        if (!rank.strip().matches("\\d{1,9}")) {
            throw new ConfigurationException(
                    "RANK is '" + rank + "', but it is a number from 0; a launcher sets it");
        }
        return new Placement(true, Integer.parseInt(rank.strip()), Optional.empty());
    }

    /** A cluster that has started one process leaves it to that how many ranks there are. */
    private static Placement cluster(Detection found) {
        return found.place()
                .filter(place -> place.worldSize() > 1)
                .map(place -> new Placement(true, place.rank(), Optional.of(found.describe())))
                .orElse(ALONE);
    }

    /** Whether this process prints progress and writes the run folder. */
    boolean writes() {
        return rank == 0;
    }

    /**
     * The ranks, of which this process runs one, or all as threads.
     *
     * @param threads how many ranks as threads
     * @param devices where the ranks of this host compute; one rank on each if they are GPUs
     * @param endpoint where launched ranks meet, null for where their environment says
     */
    World world(int threads, @Nullable String endpoint, DeviceChoice devices) {
        if (!launched && endpoint != null) {
            throw new ConfigurationException(
                    "--rdzv-endpoint is "
                            + endpoint
                            + ", but this process is no rank that a launcher has started: RANK and"
                            + " WORLD_SIZE are not set");
        }
        if (!launched) {
            return (threads > 1 ? World.threads(threads) : World.local()).withDevices(devices);
        }
        if (threads != 1) {
            throw new ConfigurationException(
                    "--nproc is "
                            + threads
                            + ", but this process is one rank of those that a launcher has started:"
                            + " say launch --nproc-per-node "
                            + threads
                            + ", or unset RANK and WORLD_SIZE");
        }
        World found = endpoint == null ? World.fromEnvironment() : World.fromEnvironment(endpoint);
        return found.withDevices(devices);
    }
}
