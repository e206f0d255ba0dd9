package org.yoloddp.schedule;

import java.util.List;
import java.util.stream.IntStream;

/** Schedules one after the other, each with its own step 0. */
final class SequentialRate implements BoundRate {

    private final List<BoundRate> rates;

    /** The first step of each schedule. */
    private final long[] starts;

    private SequentialRate(List<BoundRate> rates, long[] starts) {
        this.rates = rates;
        this.starts = starts;
    }

    static LearningRate of(List<LearningRate> rates, List<Span> milestones) {
        List<LearningRate> parts = List.copyOf(rates);
        List<Span> ends = List.copyOf(milestones);
        Checks.oneMore(parts.size(), ends.size());
        return plan -> bind(parts, ends, plan);
    }

    private static BoundRate bind(List<LearningRate> parts, List<Span> ends, SchedulePlan plan) {
        long[] milestones = ends.stream().mapToLong(m -> m.in(plan)).toArray();
        Checks.increasing(ends, milestones);
        long[] starts = new long[parts.size()];
        System.arraycopy(milestones, 0, starts, 1, milestones.length);
        List<BoundRate> bound =
                IntStream.range(0, starts.length)
                        .mapToObj(i -> parts.get(i).bind(turn(plan, starts, i)))
                        .toList();
        return new SequentialRate(bound, starts);
    }

    private static SchedulePlan turn(SchedulePlan plan, long[] starts, int index) {
        long end = index + 1 < starts.length ? starts[index + 1] : plan.steps();
        // The last schedule may never have its turn, when the training is short.
        return plan.part(starts[index], Math.max(end, starts[index] + 1));
    }

    @Override
    public double at(long step) {
        int index = index(step);
        return rates.get(index).at(step - starts[index]);
    }

    @Override
    public double momentumAt(long step) {
        int index = index(step);
        return rates.get(index).momentumAt(step - starts[index]);
    }

    private int index(long step) {
        int index = starts.length - 1;
        while (index > 0 && step < starts[index]) {
            index--;
        }
        return index;
    }
}
