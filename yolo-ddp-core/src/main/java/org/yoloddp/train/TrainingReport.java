package org.yoloddp.train;

import java.util.List;

/**
 * What a training did. Plain data without natives, valid for ever.
 *
 * @param outcome how it ended
 * @param worldSize the number of ranks
 * @param steps the number of batches on each rank
 * @param epochs every finished epoch
 * @param imagesPerSecond samples of all ranks per second of training, validation excluded
 * @param stepMillisMedian the median duration of a batch on rank 0, in milliseconds
 * @param stepMillisP95 the 95th percentile of it, in milliseconds
 * @param phaseMillis the medians of the parts of a step on rank 0, in milliseconds
 * @param skippedSteps the number of optimizer steps left out since gradients weren't finite; 0
 *     without loss scaling
 * @param lossScale the loss scale at the end; NaN without loss scaling
 * @param parametersSha256 for each rank the SHA-256 of its parameters: little-endian bytes in
 *     state-dict order, not averaged
 * @param buffersSha256 for each rank the SHA-256 of its buffers after their last broadcast
 */
public record TrainingReport(
        Outcome outcome,
        int worldSize,
        long steps,
        List<EpochReport> epochs,
        double imagesPerSecond,
        double stepMillisMedian,
        double stepMillisP95,
        PhaseMillis phaseMillis,
        long skippedSteps,
        double lossScale,
        List<String> parametersSha256,
        List<String> buffersSha256) {

    /**
     * Copies the lists.
     *
     * @param outcome how it ended
     * @param worldSize the number of ranks
     * @param steps the number of batches on each rank
     * @param epochs every finished epoch
     * @param imagesPerSecond samples of all ranks per second of training, validation excluded
     * @param stepMillisMedian the median duration of a batch on rank 0
     * @param stepMillisP95 the 95th percentile of it
     * @param phaseMillis the medians of the parts of a step on rank 0
     * @param skippedSteps the number of optimizer steps left out
     * @param lossScale the loss scale at the end; NaN without loss scaling
     * @param parametersSha256 for each rank the SHA-256 of its parameters: little-endian bytes in
     *     state-dict order, not averaged
     * @param buffersSha256 for each rank the SHA-256 of its buffers after their last broadcast
     */
    public TrainingReport {
        epochs = List.copyOf(epochs);
        parametersSha256 = List.copyOf(parametersSha256);
        buffersSha256 = List.copyOf(buffersSha256);
    }

    /**
     * Returns how long a step waited for communication that no computation hid.
     *
     * @return the median over the steps of rank 0 that communicated, in milliseconds
     */
    public double commExposedMillis() {
        return phaseMillis.commExposed();
    }

    /** How a training ended. */
    public enum Outcome {
        /** All epochs were trained. */
        COMPLETED,
        /** Ended early since the fitness didn't improve any more. */
        STOPPED_EARLY,
        /** Cancelled or interrupted. */
        CANCELLED
    }

    /**
     * Returns the largest value of a validation metric, also where smaller would be better, as for
     * losses.
     *
     * @param metric the name, such as {@code mAP50}
     * @return the value in the epoch where it was largest; NaN if it was never computed
     */
    public double best(String metric) {
        return epochs.stream()
                .flatMap(e -> e.validation().stream())
                .mapToDouble(v -> v.metrics().getOrDefault(metric, Double.NaN))
                .filter(v -> !Double.isNaN(v))
                .max()
                .orElse(Double.NaN);
    }

    /**
     * Returns the last epoch.
     *
     * @return the last finished epoch
     * @throws IllegalStateException if no epoch was finished
     */
    public EpochReport lastEpoch() {
        if (epochs.isEmpty()) {
            throw new IllegalStateException("no epoch was finished");
        }
        return epochs.get(epochs.size() - 1);
    }
}
