package org.yoloddp.train;

import ai.djl.ndarray.NDArray;

/**
 * The loss of one batch on one rank.
 *
 * @param total a scalar with a gradient, float32 or float64: the mean over the rank's batch, as the
 *     trainer averages gradients over ranks
 * @param terms one value per term, in the order of {@link TrainingLoss#terms}, without a gradient;
 *     only logged
 */
public record LossValue(NDArray total, NDArray terms) {}
