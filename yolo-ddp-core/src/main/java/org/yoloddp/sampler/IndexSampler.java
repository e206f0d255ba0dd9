package org.yoloddp.sampler;

/**
 * Which samples a rank sees in an epoch, and in which order: a pure function.
 *
 * <p>All ranks must get lists of equal length, at least 1, of indices from 0 to below the number of
 * samples; otherwise the training fails with a message that says so. With {@code optJoin} lengths
 * may differ, and be 0. A sampler of one's own is a lambda over {@code (datasetSize, epoch, rank,
 * worldSize)}; it is called on several threads at once. The trainer passes the epoch, so there is
 * none to set and none to forget.
 */
@FunctionalInterface
public interface IndexSampler {

    /**
     * The share of one rank.
     *
     * @param datasetSize the number of samples
     * @param epoch the epoch, from 0
     * @param rank the rank, from 0
     * @param worldSize the number of ranks
     * @return indices of samples in the order in which the rank sees them, in a new array
     */
    int[] indices(int datasetSize, int epoch, int rank, int worldSize);

    /**
     * PyTorch's DistributedSampler: a new order each epoch, the same as PyTorch's, dealt out to the
     * ranks in turn; seed 0, padded to equal shares.
     *
     * @return the sampler, on which further settings can be made
     */
    static DistributedSampler distributed() {
        return new DistributedSampler(true, 0, false, true);
    }

    /**
     * The order of the data set, dealt out to the ranks in turn, padded to equal shares.
     *
     * @return the sampler
     */
    static IndexSampler sequential() {
        return distributed().shuffle(false);
    }

    /**
     * Draws with replacement: each draw gives sample i with probability weight i / sum of weights.
     *
     * <p>All ranks draw the same list from {@code seed + epoch} and take their entries in turn; it
     * is padded to equal shares. The draws are this library's own, not those of torch.multinomial.
     *
     * @param weights the weight of each sample of the data set
     * @param samples how many are drawn per epoch, over all ranks
     * @param seed the seed, of which the low 32 bits count
     * @return the sampler
     * @throws org.yoloddp.error.ConfigurationException if a weight is negative or not finite, if
     *     all are 0, or if samples is below 1
     */
    static IndexSampler weightedRandom(double[] weights, int samples, long seed) {
        return new WeightedRandomSampler(weights, samples, seed);
    }
}
