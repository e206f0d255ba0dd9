package org.yoloddp.train;

import java.util.Arrays;

/**
 * How many samples each rank has in an epoch, from which follows who has a batch at which step.
 *
 * <p>The ranks tell each other once per epoch. PyTorch's Join asks before every forward, since its
 * loaders may end anywhere; here a sampler has to name its samples beforehand, so that no step
 * waits for an answer that is known.
 */
final class EpochShards {

    private final long[] samples;
    private final int batchSize;

    /**
     * @param samples the number of samples of each rank
     * @param batchSize the samples of one batch on one rank
     */
    EpochShards(long[] samples, int batchSize) {
        this.samples = samples.clone();
        this.batchSize = batchSize;
    }

    /** Collects the numbers of all ranks; a collective. */
    static EpochShards gather(RankContext rank, int epoch, int samples, int batchSize) {
        return new EpochShards(
                Gather.longs(rank.communicator(), samples, "samples of epoch " + epoch), batchSize);
    }

    long[] samples() {
        return samples.clone();
    }

    boolean even() {
        return Arrays.stream(samples).distinct().count() == 1;
    }

    /** The steps of the epoch: as many as the rank with the most batches has. */
    int steps() {
        long most = Arrays.stream(samples).max().orElse(0);
        return Math.toIntExact((most + batchSize - 1) / batchSize);
    }

    boolean isActive(int rank, int step) {
        return (long) step * batchSize < samples[rank];
    }

    /** The number of ranks that have a batch at a step. */
    int active(int step) {
        int active = 0;
        for (int rank = 0; rank < samples.length; rank++) {
            active += isActive(rank, step) ? 1 : 0;
        }
        return active;
    }

    /** The first rank that has a batch at a step. */
    int firstActive(int step) {
        int rank = 0;
        while (!isActive(rank, step)) {
            rank++;
        }
        return rank;
    }

    /** The samples of all ranks at a step. */
    long samplesOf(int step) {
        return Arrays.stream(samples)
                .map(all -> Math.max(0, Math.min(batchSize, all - (long) step * batchSize)))
                .sum();
    }
}
