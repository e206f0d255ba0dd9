package org.yoloddp.schedule;

/** A schedule multiplied by a rising factor while the warm-up lasts. */
final class WarmedUpRate implements LearningRate {

    private final LearningRate rate;
    private final Span length;
    private final double startFactor;

    WarmedUpRate(LearningRate rate, Span length, double startFactor) {
        this.rate = rate;
        this.length = length;
        this.startFactor = Checks.between("start factor of a warm-up", startFactor, 0, 1);
    }

    @Override
    public BoundRate bind(SchedulePlan plan) {
        BoundRate bound = rate.bind(plan);
        long steps = length.in(plan);
        return BoundRates.withMomentumOf(
                bound,
                step ->
                        step >= steps
                                ? bound.at(step)
                                : bound.at(step)
                                        * (startFactor
                                                + (1 - startFactor) * ((double) step / steps)));
    }
}
