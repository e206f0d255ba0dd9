package org.yoloddp.ddp;

import java.util.List;

/**
 * The SHA-256 of every rank's model, over the little-endian bytes in state-dict order.
 *
 * @param parametersSha256 over the parameters, by rank
 * @param buffersSha256 over the buffers, by rank
 */
public record ReplicaHashes(List<String> parametersSha256, List<String> buffersSha256) {

    /**
     * Copies the lists.
     *
     * @param parametersSha256 by rank
     * @param buffersSha256 by rank
     */
    public ReplicaHashes {
        parametersSha256 = List.copyOf(parametersSha256);
        buffersSha256 = List.copyOf(buffersSha256);
    }

    /**
     * Tells whether all ranks hold the same bits.
     *
     * @return true if there is one hash of parameters and one of buffers
     */
    public boolean equalOnAllRanks() {
        return parametersSha256.stream().distinct().count() <= 1
                && buffersSha256.stream().distinct().count() <= 1;
    }
}
