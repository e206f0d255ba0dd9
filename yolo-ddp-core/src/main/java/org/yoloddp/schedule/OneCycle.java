package org.yoloddp.schedule;

import org.jspecify.annotations.Nullable;

/**
 * The one-cycle policy: the rate rises from maximum / 25 to the maximum in the first 30 % and falls
 * to the initial rate / 10 000 in the rest, while momentum goes from 0.95 to 0.85 and back.
 *
 * <p>Immutable; each setting gives a new object. After its length the rate stays where it ended.
 */
public final class OneCycle implements LearningRate {

    private final Settings settings;

    private record Settings(
            double maximum,
            @Nullable Span length,
            double riseShare,
            double divFactor,
            double finalDivFactor,
            boolean linear,
            boolean threePhase,
            boolean cyclesMomentum,
            double baseMomentum,
            double maxMomentum) {}

    OneCycle(double maximum) {
        this(
                new Settings(
                        Checks.positive("maximum learning rate", maximum),
                        null,
                        0.3,
                        25,
                        1e4,
                        false,
                        false,
                        true,
                        0.85,
                        0.95));
    }

    private OneCycle(Settings settings) {
        this.settings = settings;
    }

    /**
     * Sets the length, the whole training by default.
     *
     * @param length how long the cycle takes, at least 2 steps
     * @return a changed copy
     */
    public OneCycle over(Span length) {
        Settings s = settings;
        return with(length, s.riseShare, s.divFactor, s.finalDivFactor, s.linear, s.threePhase);
    }

    /**
     * Sets the share of the cycle in which the rate rises, 0.3 by default.
     *
     * @param share from 0 to 1 (PyTorch's pct_start)
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if it is out of its range
     */
    public OneCycle riseShare(double share) {
        Checks.between("rise share of a one-cycle learning rate", share, 0, 1);
        Settings s = settings;
        return with(s.length, share, s.divFactor, s.finalDivFactor, s.linear, s.threePhase);
    }

    /**
     * Sets where the rate starts and ends.
     *
     * @param divFactor initial rate = maximum / divFactor, 25 by default
     * @param finalDivFactor final rate = initial rate / finalDivFactor, 10 000 by default
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if one of them is not above 0
     */
    public OneCycle divFactors(double divFactor, double finalDivFactor) {
        Checks.positive("div factor", divFactor);
        Checks.positive("final div factor", finalDivFactor);
        Settings s = settings;
        return with(s.length, s.riseShare, divFactor, finalDivFactor, s.linear, s.threePhase);
    }

    /**
     * Uses straight lines instead of half cosines.
     *
     * @return a changed copy
     */
    public OneCycle linear() {
        Settings s = settings;
        return with(s.length, s.riseShare, s.divFactor, s.finalDivFactor, true, s.threePhase);
    }

    /**
     * Falls to the initial rate as fast as it rose, and only then to the final rate.
     *
     * @return a changed copy
     */
    public OneCycle threePhase() {
        Settings s = settings;
        return with(s.length, s.riseShare, s.divFactor, s.finalDivFactor, s.linear, true);
    }

    /**
     * Sets the range of the momentum (Adam: beta1), 0.85 to 0.95 by default.
     *
     * @param base the momentum at the highest learning rate
     * @param max the momentum at the start and at the end
     * @return a changed copy
     * @throws org.yoloddp.error.ConfigurationException if one of them is not from 0 to 1
     */
    public OneCycle momentum(double base, double max) {
        Checks.between("base momentum", base, 0, 1);
        Checks.between("max momentum", max, 0, 1);
        return momentum(true, base, max);
    }

    /**
     * Leaves the momentum to the optimizer.
     *
     * @return a changed copy
     */
    public OneCycle withoutMomentum() {
        return momentum(false, settings.baseMomentum, settings.maxMomentum);
    }

    @Override
    public BoundRate bind(SchedulePlan plan) {
        Settings s = settings;
        long total =
                s.length == null
                        ? plan.steps()
                        : s.length.positive(plan, "length of a one-cycle learning rate");
        Checks.atLeast("steps of a one-cycle learning rate", total, 2);
        if (s.threePhase) {
            Checks.between("rise share of a three-phase one-cycle", s.riseShare, 0, 0.5);
        }
        double initial = s.maximum / s.divFactor;
        double[] rates = {initial, s.maximum, initial, initial / s.finalDivFactor};
        double[] momenta = {s.maxMomentum, s.baseMomentum, s.maxMomentum, s.maxMomentum};
        double rise = s.riseShare * total - 1;
        double[] ends = {rise, 2 * s.riseShare * total - 2, total - 1};
        if (!s.threePhase) {
            rates = new double[] {initial, s.maximum, initial / s.finalDivFactor};
            momenta = new double[] {s.maxMomentum, s.baseMomentum, s.maxMomentum};
            ends = new double[] {rise, total - 1};
        }
        Phases rate = new Phases(rates, ends, s.linear);
        Phases momentum = new Phases(momenta, ends, s.linear);
        return BoundRates.of(rate::at, s.cyclesMomentum ? momentum::at : step -> Double.NaN);
    }

    private record Phases(double[] values, double[] ends, boolean linear) {

        double at(long step) {
            double at = Math.min(step, ends[ends.length - 1]);
            int phase = 0;
            while (phase < ends.length - 1 && at > ends[phase]) {
                phase++;
            }
            double start = phase == 0 ? 0 : ends[phase - 1];
            double share = at == ends[phase] ? 1 : (at - start) / (ends[phase] - start);
            double from = values[phase];
            double to = values[phase + 1];
            return linear
                    ? (to - from) * share + from
                    : to + (from - to) / 2 * (StrictMath.cos(Math.PI * share) + 1);
        }
    }

    private OneCycle with(
            @Nullable Span length,
            double riseShare,
            double divFactor,
            double finalDivFactor,
            boolean linear,
            boolean threePhase) {
        Settings s = settings;
        return new OneCycle(
                new Settings(
                        s.maximum,
                        length,
                        riseShare,
                        divFactor,
                        finalDivFactor,
                        linear,
                        threePhase,
                        s.cyclesMomentum,
                        s.baseMomentum,
                        s.maxMomentum));
    }

    private OneCycle momentum(boolean cycles, double base, double max) {
        Settings s = settings;
        return new OneCycle(
                new Settings(
                        s.maximum,
                        s.length,
                        s.riseShare,
                        s.divFactor,
                        s.finalDivFactor,
                        s.linear,
                        s.threePhase,
                        cycles,
                        base,
                        max));
    }
}
