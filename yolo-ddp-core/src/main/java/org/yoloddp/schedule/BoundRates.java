package org.yoloddp.schedule;

import java.util.function.LongToDoubleFunction;
import java.util.function.LongUnaryOperator;

/** Decorators that carry the momentum along with the rate. */
final class BoundRates {

    private BoundRates() {}

    static BoundRate of(LongToDoubleFunction rate, LongToDoubleFunction momentum) {
        return new BoundRate() {
            @Override
            public double at(long step) {
                return rate.applyAsDouble(step);
            }

            @Override
            public double momentumAt(long step) {
                return momentum.applyAsDouble(step);
            }
        };
    }

    static BoundRate withMomentumOf(BoundRate momentum, LongToDoubleFunction rate) {
        return of(rate, momentum::momentumAt);
    }

    static BoundRate heldPerEpoch(BoundRate rate, SchedulePlan plan) {
        // A schedule that starts within an epoch holds its step 0 until that epoch ends.
        LongUnaryOperator start =
                step -> Math.max(0, plan.epochOf(step) * plan.batchesPerEpoch() - plan.firstStep());
        return of(
                step -> rate.at(start.applyAsLong(step)),
                step -> rate.momentumAt(start.applyAsLong(step)));
    }
}
