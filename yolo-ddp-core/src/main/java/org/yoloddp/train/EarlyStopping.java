package org.yoloddp.train;

import org.yoloddp.error.ConfigurationException;

/**
 * Stops when the fitness hasn't improved for some epochs, which only a validation can tell. An
 * equal fitness counts as an improvement, so that a run that starts with zeros isn't stopped for
 * its first epoch.
 */
final class EarlyStopping {

    private final int patience;
    private double bestFitness = Double.NEGATIVE_INFINITY;
    private int bestEpoch = -1;
    private int lastEpoch = -1;

    private EarlyStopping(int patience) {
        this.patience = patience;
    }

    /** Stops after this many epochs without improvement; never if 0. */
    static EarlyStopping create(int patience, boolean validated) {
        if (patience > 0 && !validated) {
            throw new ConfigurationException(
                    "patience is "
                            + patience
                            + ", but without a validation nothing says what improves: add one, or"
                            + " leave optPatience out");
        }
        return new EarlyStopping(patience);
    }

    /** Notes the fitness of a validated epoch and tells whether it is the best so far. */
    boolean isBest(int epoch, double fitness) {
        lastEpoch = epoch;
        boolean first = bestEpoch < 0;
        if (first || fitness >= bestFitness) {
            bestFitness = Double.isNaN(fitness) ? bestFitness : fitness;
            bestEpoch = epoch;
            return true;
        }
        return false;
    }

    /** Whether the last validation, if it was this epoch's, came too long after the best one. */
    boolean stopsAfter(int epoch) {
        return patience > 0 && epoch == lastEpoch && epoch - bestEpoch >= patience;
    }
}
