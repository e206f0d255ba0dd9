package org.yoloddp.train;

/**
 * What one rank loads in one epoch.
 *
 * @param rank the rank
 * @param epoch the epoch, from 0
 * @param indices the samples, in order; the last batch may be smaller
 * @param batchSize the samples of one batch on this rank
 * @param loading how to load
 */
public record BatchPlan(
        RankContext rank, int epoch, int[] indices, int batchSize, Loading loading) {

    /**
     * Copies the indices, which may be the sampler's own.
     *
     * @param rank the rank
     * @param epoch the epoch, from 0
     * @param indices the samples, in order; the last batch may be smaller
     * @param batchSize the samples of one batch on this rank
     * @param loading how to load
     */
    public BatchPlan {
        indices = indices.clone();
    }

    /**
     * Returns the samples, in order.
     *
     * @return a copy
     */
    @Override
    public int[] indices() {
        return indices.clone();
    }

    /**
     * Returns the number of batches.
     *
     * @return the number of batches, the smaller last one included
     */
    public int batches() {
        return (indices.length + batchSize - 1) / batchSize;
    }
}
