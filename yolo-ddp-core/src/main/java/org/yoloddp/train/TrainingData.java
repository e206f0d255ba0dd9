package org.yoloddp.train;

/** Samples to train on. Shared by all ranks of a JVM, hence thread-safe. */
public interface TrainingData {

    /**
     * Returns the number of samples.
     *
     * @return the number of samples
     */
    int size();

    /**
     * Identifies the samples, so that ranks that are processes can tell whether they have the same.
     *
     * @return a text that is equal where the samples are; by default nothing but their number
     */
    default String fingerprint() {
        return size() + " samples";
    }

    /**
     * Starts to load the batches of one rank in one epoch.
     *
     * @param plan what to load
     * @return the batches
     */
    BatchStream open(BatchPlan plan);
}
