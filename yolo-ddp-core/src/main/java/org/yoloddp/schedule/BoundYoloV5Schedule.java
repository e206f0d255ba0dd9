package org.yoloddp.schedule;

import java.util.Arrays;

/** YOLOv5's schedule, bound to a plan. */
final class BoundYoloV5Schedule implements HyperparameterSchedule.Bound {

    private final YoloV5Schedule.Settings settings;
    private final SchedulePlan plan;
    private final int groups;

    /** The last step of the warm-up. */
    private final long warmupEnd;

    /** The last step up to the end of the warm-up after which the optimizer stepped; −1 if none. */
    private final long lastWarmupUpdate;

    /** In the warm-up, whether the optimizer steps. */
    private final boolean[] warmupUpdates;

    BoundYoloV5Schedule(YoloV5Schedule.Settings settings, SchedulePlan plan, int groups) {
        this.settings = settings;
        this.plan = plan;
        this.groups = groups;
        this.warmupEnd =
                Math.max(
                        (long) Math.rint(settings.warmupEpochs() * plan.batchesPerEpoch()),
                        settings.minimumWarmupSteps());
        // When accumulation changes, whether the optimizer steps depends on when it last did: gone
        // through once here, so that it is a function of the step afterwards.
        this.warmupUpdates = new boolean[Math.toIntExact(Math.min(warmupEnd + 1, plan.steps()))];
        long last = -1;
        for (int step = 0; step < warmupUpdates.length; step++) {
            if (step - last >= accumulate(step)) {
                warmupUpdates[step] = true;
                last = step;
            }
        }
        this.lastWarmupUpdate = last;
    }

    @Override
    public Hyperparameters at(long step) {
        double[] rates = new double[groups];
        double target = settings.initialRate() * factor(scheduledEpoch(step));
        Arrays.fill(rates, warmedUp(step, 0, target));
        if (groups > 1) {
            rates[0] = warmedUp(step, settings.warmupBiasRate(), target);
        }
        double momentum = warmedUp(step, settings.warmupMomentum(), settings.momentum());
        return new Hyperparameters(rates, momentum, accumulate(step));
    }

    @Override
    public boolean updatesAfter(long step) {
        return step < warmupUpdates.length
                ? warmupUpdates[(int) step]
                : (step - lastWarmupUpdate) % accumulate(step) == 0;
    }

    private int accumulate(long step) {
        double target = (double) settings.nominalBatchSize() / settings.batchSize();
        return (int) Math.max(1, Math.rint(warmedUp(step, 1, target)));
    }

    /** The epoch whose factor is in force. */
    private long scheduledEpoch(long step) {
        long epoch = plan.epochOf(step);
        boolean late = settings.asOriginal() && epoch > plan.epochOf(warmupEnd) && epoch > 0;
        return late ? epoch - 1 : epoch;
    }

    private double factor(long epoch) {
        double end = settings.finalFactor();
        double share = (double) epoch / plan.epochs();
        return settings.cosine()
                ? (1 - StrictMath.cos(Math.PI * share)) / 2 * (end - 1) + 1
                : (1 - share) * (1 - end) + end;
    }

    private double warmedUp(long step, double start, double end) {
        return step >= warmupEnd ? end : start + (end - start) / warmupEnd * step;
    }
}
