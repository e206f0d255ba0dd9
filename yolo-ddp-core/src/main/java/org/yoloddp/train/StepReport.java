package org.yoloddp.train;

import java.util.Map;

/**
 * One batch, as rank 0 saw it.
 *
 * @param step the number of the batch since the start of the training, from 0
 * @param epoch the epoch, from 0
 * @param batch the number of the batch in the epoch, from 0
 * @param batches the number of batches in the epoch
 * @param images the samples that all ranks together have seen in this epoch
 * @param losses the mean of each term over the epoch so far, on rank 0
 * @param learningRates the learning rate of each parameter group
 * @param gradientNorm the norm before clipping; NaN where no step was taken or nothing is clipped.
 *     On a GPU that of the step before, which needn't be waited for, and so are the losses
 * @param skipped whether the optimizer left a step out, since gradients weren't finite; only with
 *     loss scaling
 * @param lossScale what the loss of this batch was multiplied by; NaN without loss scaling
 * @param millis milliseconds since the batch before, the wait for data included
 */
public record StepReport(
        long step,
        int epoch,
        int batch,
        int batches,
        long images,
        Map<String, Double> losses,
        double[] learningRates,
        double gradientNorm,
        boolean skipped,
        double lossScale,
        double millis) {

    /**
     * Copies what could be changed.
     *
     * @param step the number of the batch since the start of the training, from 0
     * @param epoch the epoch, from 0
     * @param batch the number of the batch in the epoch, from 0
     * @param batches the number of batches in the epoch
     * @param images the samples that all ranks together have seen in this epoch
     * @param losses the mean of each term over the epoch so far, on rank 0
     * @param learningRates the learning rate of each parameter group
     * @param gradientNorm the norm before clipping; NaN where no step was taken or nothing is
     *     clipped
     * @param skipped whether the optimizer left a step out
     * @param lossScale what the loss of this batch was multiplied by; NaN without loss scaling
     * @param millis how long the batch took
     */
    public StepReport {
        losses = Copies.of(losses);
        learningRates = learningRates.clone();
    }

    /**
     * Returns the learning rate of each parameter group.
     *
     * @return a copy
     */
    @Override
    public double[] learningRates() {
        return learningRates.clone();
    }
}
