package org.yoloddp.sampler;

import java.util.Arrays;

/** Draws with replacement by inverting the cumulative weights. */
final class WeightedRandomSampler implements IndexSampler {

    private final double[] cumulative;
    private final int last;
    private final int samples;
    private final long seed;

    WeightedRandomSampler(double[] weights, int samples, long seed) {
        Checks.weights(weights);
        Checks.samples(samples);
        this.cumulative = new double[weights.length];
        double sum = 0;
        int lastPositive = 0;
        for (int i = 0; i < weights.length; i++) {
            sum += weights[i];
            cumulative[i] = sum;
            lastPositive = weights[i] > 0 ? i : lastPositive;
        }
        this.last = lastPositive;
        this.samples = samples;
        this.seed = seed;
    }

    @Override
    public int[] indices(int datasetSize, int epoch, int rank, int worldSize) {
        Checks.arguments(datasetSize, epoch, rank, worldSize);
        Checks.oneWeightPerSample(cumulative.length, datasetSize);
        MersenneTwister random = new MersenneTwister(seed + epoch);
        int[] drawn = new int[samples];
        for (int i = 0; i < samples; i++) {
            drawn[i] = draw(random.nextDouble() * cumulative[cumulative.length - 1]);
        }
        return Shards.share(drawn, rank, worldSize, false);
    }

    /** The first sample whose cumulative weight is above the value: never one of weight 0. */
    private int draw(double value) {
        int found = Arrays.binarySearch(cumulative, value);
        int index = found < 0 ? -found - 1 : found + 1;
        while (index < last && cumulative[index] <= value) {
            index++;
        }
        return Math.min(index, last);
    }
}
