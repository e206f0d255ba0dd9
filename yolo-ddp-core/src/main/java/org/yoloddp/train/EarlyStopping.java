package org.yoloddp.train;

/**
 * Stops when the fitness hasn't improved for some epochs. An equal fitness counts as an
 * improvement, so that a run that starts with zeros isn't stopped for its first epoch.
 */
final class EarlyStopping {

    private final int patience;
    private double bestFitness = Double.NEGATIVE_INFINITY;
    private int bestEpoch;

    /** Stops after this many epochs without improvement; never if 0. */
    EarlyStopping(int patience) {
        this.patience = patience;
    }

    /** Notes the fitness of an epoch and tells whether it is the best so far. */
    boolean isBest(int epoch, double fitness) {
        if (fitness >= bestFitness) {
            bestFitness = fitness;
            bestEpoch = epoch;
            return true;
        }
        return false;
    }

    boolean stopsAfter(int epoch) {
        return patience > 0 && epoch - bestEpoch >= patience;
    }
}
