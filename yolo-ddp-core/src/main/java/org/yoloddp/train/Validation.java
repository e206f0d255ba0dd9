package org.yoloddp.train;

/** Judges the block on data that it isn't trained on. One instance per rank. */
public interface Validation {

    /**
     * Runs on every rank, each with its share of the data; ranks exchange what they found.
     *
     * @param context the rank, its predictor and how to load
     * @return the result, equal on all ranks
     */
    ValidationResult run(ValidationContext context);
}
