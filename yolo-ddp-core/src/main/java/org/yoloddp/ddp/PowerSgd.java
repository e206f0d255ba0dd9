package org.yoloddp.ddp;

import org.yoloddp.error.ConfigurationException;

/**
 * How {@link CommunicationHooks#powerSgd} approximates gradients. Immutable: each {@code withX}
 * returns a changed copy. Defaults are those of PyTorch's {@code PowerSGDState}.
 *
 * @param matrixRank the rank of the approximation, 1 or more: larger is closer and sends more. Not
 *     a rank of the training
 * @param startStep how many steps are averaged exactly first, counted from the first one that the
 *     hook gets; a step that the optimizer skips does not count
 * @param minCompressionRate how many times smaller a matrix must become to be approximated
 * @param errorFeedback whether what an approximation lacks is added to the next step's gradient,
 *     which takes twice the memory of the approximated gradients
 * @param warmStart whether an approximation begins with the step's before, else with a random one
 * @param orthogonalizationEpsilon added to the lengths of columns before they are divided by them
 * @param seed where random matrices come from, the same on all ranks
 */
public record PowerSgd(
        int matrixRank,
        long startStep,
        double minCompressionRate,
        boolean errorFeedback,
        boolean warmStart,
        double orthogonalizationEpsilon,
        long seed) {

    private static final long START_STEP = 1000;

    /**
     * Checks the values.
     *
     * @param matrixRank 1 or more
     * @param startStep 0 or more
     * @param minCompressionRate above 0
     * @param errorFeedback whether to keep what is lacking
     * @param warmStart whether to begin with the last approximation
     * @param orthogonalizationEpsilon 0 or more
     * @param seed any number
     * @throws ConfigurationException if a value lies outside its range
     */
    public PowerSgd {
        require("matrixRank", matrixRank, matrixRank >= 1, "1 or more");
        require("startStep", startStep, startStep >= 0, "0 or more");
        require("minCompressionRate", minCompressionRate, minCompressionRate > 0, "above 0");
        require(
                "orthogonalizationEpsilon",
                orthogonalizationEpsilon,
                orthogonalizationEpsilon >= 0,
                "0 or more");
    }

    /**
     * Returns the defaults: rank 1, after 1000 steps, at least by 2, with error feedback and warm
     * start, epsilon 0, seed 0.
     *
     * @return the defaults
     */
    public static PowerSgd defaults() {
        return new PowerSgd(1, START_STEP, 2, true, true, 0, 0);
    }

    /**
     * Returns a copy with another rank of the approximation.
     *
     * @param rank 1 or more
     * @return the copy
     * @throws ConfigurationException if it is less
     */
    public PowerSgd withMatrixRank(int rank) {
        return new PowerSgd(
                rank,
                startStep,
                minCompressionRate,
                errorFeedback,
                warmStart,
                orthogonalizationEpsilon,
                seed);
    }

    /**
     * Returns a copy that begins to approximate at another step.
     *
     * @param step how many steps are averaged exactly first, 0 or more
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public PowerSgd withStartStep(long step) {
        return new PowerSgd(
                matrixRank,
                step,
                minCompressionRate,
                errorFeedback,
                warmStart,
                orthogonalizationEpsilon,
                seed);
    }

    /**
     * Returns a copy with another least compression.
     *
     * @param rate how many times smaller a matrix must become, above 0
     * @return the copy
     * @throws ConfigurationException if it is not above 0
     */
    public PowerSgd withMinCompressionRate(double rate) {
        return new PowerSgd(
                matrixRank,
                startStep,
                rate,
                errorFeedback,
                warmStart,
                orthogonalizationEpsilon,
                seed);
    }

    /**
     * Returns a copy with or without error feedback. Without it what an approximation lacks is
     * lost, and training usually converges to worse weights.
     *
     * @param on whether to keep it
     * @return the copy
     */
    public PowerSgd withErrorFeedback(boolean on) {
        return new PowerSgd(
                matrixRank,
                startStep,
                minCompressionRate,
                on,
                warmStart,
                orthogonalizationEpsilon,
                seed);
    }

    /**
     * Returns a copy with or without warm start.
     *
     * @param on whether an approximation begins with the one before
     * @return the copy
     */
    public PowerSgd withWarmStart(boolean on) {
        return new PowerSgd(
                matrixRank,
                startStep,
                minCompressionRate,
                errorFeedback,
                on,
                orthogonalizationEpsilon,
                seed);
    }

    /**
     * Returns a copy with another epsilon.
     *
     * @param epsilon added to the lengths of columns, 0 or more
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public PowerSgd withOrthogonalizationEpsilon(double epsilon) {
        return new PowerSgd(
                matrixRank, startStep, minCompressionRate, errorFeedback, warmStart, epsilon, seed);
    }

    /**
     * Returns a copy with other random matrices.
     *
     * @param newSeed where they come from, the same on all ranks
     * @return the copy
     */
    public PowerSgd withSeed(long newSeed) {
        return new PowerSgd(
                matrixRank,
                startStep,
                minCompressionRate,
                errorFeedback,
                warmStart,
                orthogonalizationEpsilon,
                newSeed);
    }

    /** The rank with which a matrix is approximated, or 0 if that would not gain enough. */
    int rankFor(long rows, long columns) {
        long rank = Math.min(matrixRank, Math.min(rows, columns));
        boolean gains = (rows + columns) * rank * minCompressionRate < (double) rows * columns;
        return gains ? (int) rank : 0;
    }

    private static void require(String name, Number value, boolean holds, String range) {
        if (!holds) {
            throw new ConfigurationException(name + " is " + value + ", must be " + range);
        }
    }
}
