package org.yoloddp.train;

import ai.djl.ndarray.NDArray;

/**
 * The loss of one batch on one rank.
 *
 * @param total a float32 scalar with a gradient; the trainer averages gradients over ranks
 * @param terms a float32 array of one value per term, in the order of {@link TrainingLoss#terms},
 *     without a gradient
 */
public record LossValue(NDArray total, NDArray terms) {}
