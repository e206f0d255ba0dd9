package org.yoloddp.train;

import ai.djl.ndarray.NDList;

/**
 * One batch of one rank.
 *
 * @param data the inputs of the block
 * @param labels the labels, as the loss expects them
 * @param size the number of samples
 */
public record TrainingBatch(NDList data, NDList labels, int size) {}
