package org.yoloddp.train;

import java.util.List;

/**
 * What is about to be trained.
 *
 * @param worldSize the number of ranks
 * @param epochs the number of epochs
 * @param batchesPerEpoch the number of batches of an epoch on each rank
 * @param batchSize the samples of one batch over all ranks
 * @param trainingSamples the number of samples
 * @param parameters the number of trainable elements
 * @param lossTerms the names of the loss terms
 */
public record TrainingStart(
        int worldSize,
        int epochs,
        int batchesPerEpoch,
        int batchSize,
        int trainingSamples,
        long parameters,
        List<String> lossTerms) {

    /**
     * Copies the names.
     *
     * @param worldSize the number of ranks
     * @param epochs the number of epochs
     * @param batchesPerEpoch the number of batches of an epoch on each rank
     * @param batchSize the samples of one batch over all ranks
     * @param trainingSamples the number of samples
     * @param parameters the number of trainable elements
     * @param lossTerms the names of the loss terms
     */
    public TrainingStart {
        lossTerms = List.copyOf(lossTerms);
    }
}
