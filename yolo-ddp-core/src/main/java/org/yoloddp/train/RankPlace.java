package org.yoloddp.train;

import ai.djl.Device;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Store;

/**
 * Where one rank of this JVM runs.
 *
 * @param communicator its membership in the group of all ranks; closed when the training ends
 * @param device where it computes
 * @param localRank its number among the ranks of this host
 * @param localWorldSize the number of ranks on this host
 * @param threads its intra-op threads
 * @param store where the ranks meet beside collectives; its waits end when the job fails
 */
public record RankPlace(
        Communicator communicator,
        Device device,
        int localRank,
        int localWorldSize,
        int threads,
        Store store) {

    RankContext context(ai.djl.ndarray.NDManager manager, TrainingSettings settings) {
        return new RankContext(
                communicator.rank(),
                communicator.size(),
                localRank,
                localWorldSize,
                device,
                threads,
                settings.seed(),
                communicator,
                manager,
                settings.deadlines());
    }
}
