package org.yoloddp.train;

/**
 * Where the time of a step goes on rank 0: medians over all steps, in milliseconds. They need not
 * sum up to the median of the whole step, of which they leave some odds and ends out.
 *
 * @param dataWait waiting for the batch
 * @param forward the model's forward pass and the loss
 * @param backward the backward pass, and what communication it starts
 * @param commExposed waiting for communication that no computation hides, of steps that communicate
 * @param optimizer clipping, optimizer and moving average of the weights, of steps that take it
 */
public record PhaseMillis(
        double dataWait, double forward, double backward, double commExposed, double optimizer) {}
