package org.yoloddp;

import org.yoloddp.error.ConfigurationException;
import org.yoloddp.train.Join;

/** The checks of {@link DistributedTrainerBuilder#build()}, with their messages. */
final class BuilderChecks {

    private BuilderChecks() {}

    static void atLeast(String option, int value, int smallest) {
        if (value < smallest) {
            throw new ConfigurationException(
                    option + " is " + value + ", but has to be " + smallest + " or more");
        }
    }

    static void clipNorm(double value) {
        if (!(value > 0)) {
            throw new ConfigurationException(
                    "clipNorm is " + value + ", but has to be above 0, infinite for no limit");
        }
    }

    static void averageDecay(double value, boolean keepsBlocks) {
        if (!(value >= 0 && value < 1)) {
            throw new ConfigurationException(
                    "the decay of the weight average is "
                            + value
                            + ", but has to be 0 (none) or between 0 and 1");
        }
        if (value > 0 && keepsBlocks) {
            throw new ConfigurationException(
                    "the average of the weights needs a block of its own, but setBlock got a single"
                            + " one: pass a factory, setBlock(rank -> ...)");
        }
    }

    static void batchSize(int batchSize, int ranks) {
        atLeast("batchSize", batchSize, 1);
        if (batchSize % ranks != 0) {
            throw new ConfigurationException(
                    "batchSize is "
                            + batchSize
                            + " over all ranks, which "
                            + ranks
                            + " ranks can't share evenly: use a multiple of "
                            + ranks);
        }
    }

    /** A rank that has run out computes no layer in which the others would wait for it. */
    static void join(Join join, boolean syncBatchNorm) {
        if (join != Join.NONE && syncBatchNorm) {
            throw new ConfigurationException(
                    "optJoin("
                            + join
                            + ") and optSyncBatchNorm(true) exclude each other: batch norm over all"
                            + " ranks needs all of them in every step; use Join.NONE, which gives"
                            + " all ranks as many samples");
        }
    }

    static void samples(int samples, int ranks) {
        if (samples < ranks) {
            throw new ConfigurationException(
                    "there are "
                            + samples
                            + " training samples for "
                            + ranks
                            + " ranks, but each rank needs at least one: use fewer ranks");
        }
    }
}
