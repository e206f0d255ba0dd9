package org.yoloddp.examples;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.DeviceChoice;
import org.yoloddp.World;
import org.yoloddp.error.ConfigurationException;

/**
 * Whether this process is one of several ranks, as the environment of {@code launch} or torchrun
 * says, or runs all ranks itself.
 *
 * @param launched true if RANK and WORLD_SIZE are set
 * @param rank this process's rank, 0 if it runs all
 */
record Placement(boolean launched, int rank) {

    static Placement of(Map<String, String> environment) {
        String rank = environment.get("RANK");
        if (rank == null || environment.get("WORLD_SIZE") == null) {
            return new Placement(false, 0);
        }
        if (!rank.strip().matches("\\d{1,9}")) {
            throw new ConfigurationException(
                    "RANK is '" + rank + "', but it is a number from 0; a launcher sets it");
        }
        return new Placement(true, Integer.parseInt(rank.strip()));
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
