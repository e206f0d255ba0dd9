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
 */
public record ValidationContext(
        RankContext rank, UnaryOperator<NDList> predictor, int batchSize, Loading loading) {}
