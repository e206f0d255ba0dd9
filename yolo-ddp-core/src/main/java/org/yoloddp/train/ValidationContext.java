package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import java.util.function.UnaryOperator;

/**
 * What a validation works with on one rank.
 *
 * @param rank the rank
 * @param predictor runs the block on one batch, in evaluation mode and without gradients, on the
 *     averaged weights if there are any; the result belongs to the manager of the data
 * @param batchSize the samples of one batch on this rank
 * @param loading how to load
 * @param meeting waits until every rank has judged its share, however long that takes while it
 *     makes progress; to be run once, on all ranks, before they exchange what they found
 */
public record ValidationContext(
        RankContext rank,
        UnaryOperator<NDList> predictor,
        int batchSize,
        Loading loading,
        Runnable meeting) {

    /**
     * Creates a context whose ranks wait for each other in the exchange only, for as long as a
     * collective may take.
     *
     * @param rank the rank
     * @param predictor runs the block on one batch
     * @param batchSize the samples of one batch on this rank
     * @param loading how to load
     */
    public ValidationContext(
            RankContext rank, UnaryOperator<NDList> predictor, int batchSize, Loading loading) {
        this(rank, predictor, batchSize, loading, () -> {});
    }
}
