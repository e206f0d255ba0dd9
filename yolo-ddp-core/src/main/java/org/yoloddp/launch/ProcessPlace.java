package org.yoloddp.launch;

import org.yoloddp.error.ConfigurationException;

/**
 * Which rank a process is, and where it finds the others.
 *
 * @param rank the number of the rank, from 0
 * @param worldSize the number of ranks
 * @param localRank its number among the ranks of this host
 * @param localWorldSize the number of ranks on this host; 0 if the environment does not tell
 * @param masterAddress the host of rank 0; empty if there is only one rank
 * @param masterPort the port of the job's store
 * @param job the name of the job
 * @param generation the number of restarts before
 */
public record ProcessPlace(
        int rank,
        int worldSize,
        int localRank,
        int localWorldSize,
        String masterAddress,
        int masterPort,
        String job,
        int generation) {

    /** The port that torchrun and most clusters use. */
    public static final int DEFAULT_PORT = 29500;

    /**
     * Checks the numbers.
     *
     * @param rank the number of the rank, from 0
     * @param worldSize the number of ranks
     * @param localRank its number among the ranks of this host
     * @param localWorldSize the number of ranks on this host; 0 if the environment does not tell
     * @param masterAddress the host of rank 0; empty if there is only one rank
     * @param masterPort the port of the job's store
     * @param job the name of the job
     * @param generation the number of restarts before
     * @throws ConfigurationException if the numbers do not fit together
     */
    public ProcessPlace {
        boolean fits =
                rank >= 0
                        && rank < worldSize
                        && localRank >= 0
                        && localWorldSize >= 0
                        && localWorldSize <= worldSize
                        && (localWorldSize == 0 || localRank < localWorldSize);
        if (!fits) {
            throw new ConfigurationException(
                    "Rank "
                            + rank
                            + " of "
                            + worldSize
                            + ", local rank "
                            + localRank
                            + " of "
                            + localWorldSize
                            + ", cannot be: correct the variables of the environment.");
        }
        if (masterPort < 1 || masterPort > 65535) {
            throw new ConfigurationException(
                    "The port of the store is " + masterPort + ", but has to be 1 to 65535");
        }
        if (worldSize > 1 && masterAddress.isBlank()) {
            throw new ConfigurationException(
                    "Nothing says where rank 0 is: set MASTER_ADDR to its host on all ranks.");
        }
    }

    /**
     * Describes it for a log.
     *
     * @return such as {@code rank 3 of 8, local rank 1 of 2, store at node-1:29500}
     */
    public String describe() {
        return "rank "
                + rank
                + " of "
                + worldSize
                + ", local rank "
                + localRank
                + (localWorldSize == 0 ? "" : " of " + localWorldSize)
                + (worldSize == 1 ? "" : ", store at " + masterAddress + ":" + masterPort);
    }
}
