package org.yoloddp.sampler;

/**
 * PyTorch's DistributedSampler, index for index: a permutation from seed + epoch, padded by
 * repeating it from its start (or cut), of which rank r of W takes the entries r, r + W, r + 2W …
 *
 * <p>Immutable; each setting gives a new object.
 */
public final class DistributedSampler implements IndexSampler {

    private final boolean shuffle;
    private final long seed;
    private final boolean dropLast;

    DistributedSampler(boolean shuffle, long seed, boolean dropLast) {
        this.shuffle = shuffle;
        this.seed = seed;
        this.dropLast = dropLast;
    }

    /**
     * Sets whether each epoch has a random order.
     *
     * @param shuffle false for the order of the data set
     * @return a changed copy
     */
    public DistributedSampler shuffle(boolean shuffle) {
        return new DistributedSampler(shuffle, seed, dropLast);
    }

    /**
     * Sets the seed.
     *
     * @param seed the seed, of which the low 32 bits count, as in PyTorch
     * @return a changed copy
     */
    public DistributedSampler seed(long seed) {
        return new DistributedSampler(shuffle, seed, dropLast);
    }

    /**
     * Sets what happens to samples that cannot be dealt out evenly.
     *
     * @param dropLast true to leave them out, false to repeat others
     * @return a changed copy
     */
    public DistributedSampler dropLast(boolean dropLast) {
        return new DistributedSampler(shuffle, seed, dropLast);
    }

    @Override
    public int[] indices(int datasetSize, int epoch, int rank, int worldSize) {
        Checks.arguments(datasetSize, epoch, rank, worldSize);
        return Shards.share(order(datasetSize, epoch), rank, worldSize, dropLast);
    }

    private int[] order(int datasetSize, int epoch) {
        if (shuffle) {
            return new MersenneTwister(seed + epoch).permutation(datasetSize);
        }
        int[] order = new int[datasetSize];
        for (int i = 0; i < datasetSize; i++) {
            order[i] = i;
        }
        return order;
    }
}
