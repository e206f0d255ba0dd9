package org.yoloddp.sampler;

import org.yoloddp.error.ConfigurationException;

/** The refusals of this package, with their messages. */
final class Checks {

    private Checks() {}

    static void arguments(int datasetSize, int epoch, int rank, int worldSize) {
        if (datasetSize < 0 || epoch < 0) {
            throw new ConfigurationException(
                    "data set size and epoch must be at least 0: " + datasetSize + ", " + epoch);
        }
        if (worldSize < 1 || rank < 0 || rank >= worldSize) {
            throw new ConfigurationException(
                    "rank must be from 0 to world size - 1: rank "
                            + rank
                            + " of "
                            + worldSize
                            + " ranks");
        }
    }

    static void weights(double[] weights) {
        if (weights.length == 0) {
            throw new ConfigurationException(
                    "a weighted sampler needs a weight for each sample; it was given none");
        }
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            double weight = weights[i];
            if (!(weight >= 0) || Double.isInfinite(weight)) {
                throw new ConfigurationException(
                        "weights of samples must be finite and not negative: weight "
                                + i
                                + " is "
                                + weight);
            }
            sum += weight;
        }
        if (!(sum > 0) || Double.isInfinite(sum)) {
            throw new ConfigurationException(
                    "the sum of the weights of samples must be finite and above 0: it is " + sum);
        }
    }

    static void samples(int samples) {
        if (samples < 1) {
            throw new ConfigurationException("samples per epoch must be at least 1: " + samples);
        }
    }

    static void oneWeightPerSample(int weights, int datasetSize) {
        if (weights != datasetSize) {
            throw new ConfigurationException(
                    "a weighted sampler needs one weight per sample: "
                            + weights
                            + " weights, "
                            + datasetSize
                            + " samples in the data set");
        }
    }
}
