package org.yoloddp.train;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import org.yoloddp.comm.Communicator;

/**
 * What one rank knows of itself and of the others. Passed along as an object, so that ranks may be
 * threads or processes.
 *
 * @param rank the number of this rank, from 0
 * @param worldSize the number of ranks
 * @param localRank the number of this rank among those of this host
 * @param localWorldSize the number of ranks on this host
 * @param device where this rank computes
 * @param threads the intra-op threads of this rank
 * @param seed the seed of the training, equal on all ranks
 * @param communicator the group of all ranks
 * @param manager owns the arrays of this rank; closed when the trainer closes
 * @param deadlines how long waits may take
 */
public record RankContext(
        int rank,
        int worldSize,
        int localRank,
        int localWorldSize,
        Device device,
        int threads,
        long seed,
        Communicator communicator,
        NDManager manager,
        Deadlines deadlines) {

    /**
     * Tells whether this is rank 0, which observes and writes.
     *
     * @return true on rank 0
     */
    public boolean isFirst() {
        return rank == 0;
    }
}
