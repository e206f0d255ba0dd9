package org.yoloddp.train;

import java.util.Map;
import java.util.Optional;

/**
 * One epoch.
 *
 * @param epoch the epoch, from 0
 * @param losses the mean of each term over the epoch and all ranks
 * @param validation what the validation found, if one was run
 * @param best true if this epoch's fitness is the best so far
 * @param learningRates the learning rate of each parameter group after the epoch's last step
 * @param imagesPerSecond samples of all ranks per second of training, validation excluded
 * @param seconds how long training and validation took
 */
public record EpochReport(
        int epoch,
        Map<String, Double> losses,
        Optional<ValidationResult> validation,
        boolean best,
        double[] learningRates,
        double imagesPerSecond,
        double seconds) {

    /**
     * Copies what could be changed.
     *
     * @param epoch the epoch, from 0
     * @param losses the mean of each term over the epoch and all ranks
     * @param validation what the validation found, if one was run
     * @param best true if this epoch's fitness is the best so far
     * @param learningRates the learning rate of each parameter group after the epoch's last step
     * @param imagesPerSecond samples of all ranks per second of training, validation excluded
     * @param seconds how long training and validation took
     */
    public EpochReport {
        losses = Copies.of(losses);
        learningRates = learningRates.clone();
    }

    /**
     * Returns the learning rate of each parameter group.
     *
     * @return a copy
     */
    @Override
    public double[] learningRates() {
        return learningRates.clone();
    }
}
