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
    private final boolean pad;

    DistributedSampler(boolean shuffle, long seed, boolean dropLast, boolean pad) {
        this.shuffle = shuffle;
        this.seed = seed;
        this.dropLast = dropLast;
        this.pad = pad;
    }

    /**
     * Sets whether each epoch has a random order.
     *
     * @param shuffle false for the order of the data set
     * @return a changed copy
     */
    public DistributedSampler shuffle(boolean shuffle) {
        return new DistributedSampler(shuffle, seed, dropLast, pad);
    }

    /**
     * Sets the seed.
     *
     * @param seed the seed, of which the low 32 bits count, as in PyTorch
     * @return a changed copy
     */
    public DistributedSampler seed(long seed) {
        return new DistributedSampler(shuffle, seed, dropLast, pad);
    }

    /**
     * Sets what happens to samples that cannot be dealt out evenly.
     *
     * @param dropLast true to leave them out, false to repeat others
     * @return a changed copy
     */
    public DistributedSampler dropLast(boolean dropLast) {
        return new DistributedSampler(shuffle, seed, dropLast, pad);
    }

    /**
     * Sets whether shares are padded. Without, each sample is seen exactly once, and the first
     * ranks may have one more than the others, which training has to allow by {@code
     * optJoin(Join.ACTIVE_RANKS)}. PyTorch's sampler has no such setting.
     *
     * @param pad false to neither repeat samples nor, unless {@link #dropLast} says so, leave any
     *     out; default true
     * @return a changed copy
     */
    public DistributedSampler pad(boolean pad) {
        return new DistributedSampler(shuffle, seed, dropLast, pad);
    }

    @Override
    public int[] indices(int datasetSize, int epoch, int rank, int worldSize) {
        Checks.arguments(datasetSize, epoch, rank, worldSize);
        int[] order = order(datasetSize, epoch);
        return pad || dropLast
                ? Shards.share(order, rank, worldSize, dropLast)
                : Shards.unpadded(order, rank, worldSize);
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
