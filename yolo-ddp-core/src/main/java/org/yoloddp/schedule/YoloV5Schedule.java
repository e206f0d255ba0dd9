package org.yoloddp.schedule;

/**
 * YOLOv5's schedule: a learning rate that falls once per epoch, and a warm-up of the learning rate
 * by parameter group, of momentum and of accumulation.
 *
 * <p>In the warm-up, which lasts max(3 epochs, 100 steps) and includes its last step, the rate of
 * the biases falls from 0.1 and that of the other weights rises from 0 to the epoch's rate,
 * momentum rises from 0.8 to 0.937, and accumulation from 1 to nominal batch / batch. Group 0 holds
 * the biases, unless there is only one group.
 *
 * <p>YOLOv5 itself uses the rate of epoch e − 1 in epoch e once the warm-up is over; so does {@link
 * #asOriginal()}. Immutable; each setting gives a new object.
 */
public final class YoloV5Schedule implements HyperparameterSchedule {

    /** The settings; package-private for the bound form. */
    record Settings(
            int batchSize,
            int nominalBatchSize,
            double initialRate,
            double finalFactor,
            boolean cosine,
            boolean asOriginal,
            double warmupEpochs,
            long minimumWarmupSteps,
            double warmupBiasRate,
            double warmupMomentum,
            double momentum) {}

    private final Settings settings;

    private YoloV5Schedule(Settings settings) {
        this.settings = settings;
    }

    /**
     * YOLOv5's defaults: rate 0.01 falling in a straight line to 1 % of it.
     *
     * @param batchSize the batch over all ranks
     * @return the schedule
     * @throws org.yoloddp.error.ConfigurationException if the batch size is below 1
     */
    public static YoloV5Schedule forBatchSize(int batchSize) {
        Checks.atLeast("batch size", batchSize, 1);
        return new YoloV5Schedule(
                new Settings(batchSize, 64, 0.01, 0.01, false, false, 3, 100, 0.1, 0.8, 0.937));
    }

    /**
     * YOLOv5's weight decay for a batch size: it grows with the batch that one optimizer step sees.
     *
     * @param weightDecay the decay for the nominal batch of 64
     * @param batchSize the batch over all ranks
     * @return the decay to use
     * @throws org.yoloddp.error.ConfigurationException if the batch size is below 1
     */
    public static double scaledWeightDecay(double weightDecay, int batchSize) {
        Checks.atLeast("batch size", batchSize, 1);
        double accumulate = Math.max(Math.rint(64.0 / batchSize), 1);
        return weightDecay * (batchSize * accumulate / 64);
    }

    /**
     * Sets the learning rate.
     *
     * @param initial the rate of epoch 0, 0.01 by default (lr0)
     * @param finalFactor what is left of it at the end, 0.01 by default (lrf)
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if one of them is negative or not finite
     */
    public YoloV5Schedule learningRate(double initial, double finalFactor) {
        Checks.rate("initial learning rate", initial);
        Checks.rate("final learning rate factor", finalFactor);
        Settings s = settings;
        return rates(initial, finalFactor, s.cosine, s.asOriginal);
    }

    /**
     * Lets the rate fall along half a cosine instead of a straight line.
     *
     * @return a changed copy
     */
    public YoloV5Schedule cosine() {
        Settings s = settings;
        return rates(s.initialRate, s.finalFactor, true, s.asOriginal);
    }

    /**
     * Repeats the original's slip: after the warm-up the rate comes one epoch late.
     *
     * @return a changed copy
     */
    public YoloV5Schedule asOriginal() {
        Settings s = settings;
        return rates(s.initialRate, s.finalFactor, s.cosine, true);
    }

    /**
     * Sets the length of the warm-up.
     *
     * @param epochs its length in epochs, 3 by default
     * @param minimumSteps the least number of steps, 100 by default, even if the training is
     *     shorter; 0 steps in all mean no warm-up
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if one of them is negative or not finite
     */
    public YoloV5Schedule warmup(double epochs, long minimumSteps) {
        Checks.atLeast("warm-up epochs", epochs, 0);
        Checks.atLeast("minimum warm-up steps", minimumSteps, 0);
        Settings s = settings;
        return warmup(epochs, minimumSteps, s.warmupBiasRate, s.warmupMomentum, s.momentum);
    }

    /**
     * Sets the rate of the biases at step 0.
     *
     * @param rate the rate, 0.1 by default
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if it is negative or not finite
     */
    public YoloV5Schedule warmupBiasRate(double rate) {
        Checks.rate("warm-up bias learning rate", rate);
        Settings s = settings;
        return warmup(s.warmupEpochs, s.minimumWarmupSteps, rate, s.warmupMomentum, s.momentum);
    }

    /**
     * Sets the momentum.
     *
     * @param atStart the momentum of step 0, 0.8 by default
     * @param afterwards the momentum from the end of the warm-up on, 0.937 by default
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if one of them is not from 0 to 1
     */
    public YoloV5Schedule momentum(double atStart, double afterwards) {
        Checks.between("warm-up momentum", atStart, 0, 1);
        Checks.between("momentum", afterwards, 0, 1);
        Settings s = settings;
        return warmup(s.warmupEpochs, s.minimumWarmupSteps, s.warmupBiasRate, atStart, afterwards);
    }

    /**
     * Leaves momentum to the optimizer, as YOLOv5 does with Adam and AdamW.
     *
     * @return a changed copy
     */
    public YoloV5Schedule withoutMomentum() {
        Settings s = settings;
        double own = Double.NaN;
        return warmup(s.warmupEpochs, s.minimumWarmupSteps, s.warmupBiasRate, own, own);
    }

    /**
     * Sets the batch that one optimizer step should see: nominal batch / batch batches are
     * accumulated, at least 1.
     *
     * @param batchSize the nominal batch, 64 by default; the batch size itself means no
     *     accumulation
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if it is below 1
     */
    public YoloV5Schedule nominalBatchSize(int batchSize) {
        Checks.atLeast("nominal batch size", batchSize, 1);
        Settings s = settings;
        return new YoloV5Schedule(
                new Settings(
                        s.batchSize,
                        batchSize,
                        s.initialRate,
                        s.finalFactor,
                        s.cosine,
                        s.asOriginal,
                        s.warmupEpochs,
                        s.minimumWarmupSteps,
                        s.warmupBiasRate,
                        s.warmupMomentum,
                        s.momentum));
    }

    @Override
    public Bound bind(SchedulePlan plan, int groups) {
        Checks.atLeast("parameter groups", groups, 1);
        return new BoundYoloV5Schedule(settings, plan, groups);
    }

    private YoloV5Schedule rates(
            double initial, double finalFactor, boolean cosine, boolean asOriginal) {
        Settings s = settings;
        return new YoloV5Schedule(
                new Settings(
                        s.batchSize,
                        s.nominalBatchSize,
                        initial,
                        finalFactor,
                        cosine,
                        asOriginal,
                        s.warmupEpochs,
                        s.minimumWarmupSteps,
                        s.warmupBiasRate,
                        s.warmupMomentum,
                        s.momentum));
    }

    private YoloV5Schedule warmup(
            double epochs, long minimum, double biasRate, double atStart, double afterwards) {
        Settings s = settings;
        return new YoloV5Schedule(
                new Settings(
                        s.batchSize,
                        s.nominalBatchSize,
                        s.initialRate,
                        s.finalFactor,
                        s.cosine,
                        s.asOriginal,
                        epochs,
                        minimum,
                        biasRate,
                        atStart,
                        afterwards));
    }
}
