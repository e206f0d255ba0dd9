package org.yoloddp.schedule;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The closed forms of PyTorch's schedulers.
 *
 * <p>StrictMath, so that hosts of unlike hardware agree on every bit.
 */
final class Curves {

    private Curves() {}

    static LearningRate linear(double start, double end, @Nullable Span length) {
        Checks.rate("start of a linear learning rate", start);
        Checks.rate("end of a linear learning rate", end);
        return plan -> {
            long total = length(length, plan, "length of a linear learning rate");
            return step -> step >= total ? end : start + (end - start) * ((double) step / total);
        };
    }

    static LearningRate cosine(double initial, double minimum, @Nullable Span length) {
        Checks.rate("initial learning rate", initial);
        Checks.rate("minimum learning rate", minimum);
        return plan -> {
            long total = length(length, plan, "length of a cosine");
            return step -> cosine(initial, minimum, step, total);
        };
    }

    static LearningRate warmRestarts(double initial, double minimum, Span first, int multiplier) {
        Checks.rate("initial learning rate", initial);
        Checks.rate("minimum learning rate", minimum);
        Checks.atLeast("multiplier of warm restarts", multiplier, 1);
        return plan -> {
            long cycle = first.positive(plan, "first cycle of warm restarts");
            return step -> {
                long since = multiplier == 1 ? step % cycle : step;
                long length = cycle;
                while (since >= length) {
                    since -= length;
                    length *= multiplier;
                }
                return cosine(initial, minimum, since, length);
            };
        };
    }

    static LearningRate step(double initial, double gamma, Span every) {
        Checks.rate("initial learning rate", initial);
        Checks.atLeast("gamma", gamma, 0);
        return plan -> {
            long size = every.positive(plan, "length between the falls of a step learning rate");
            return step -> initial * StrictMath.pow(gamma, Math.floorDiv(step, size));
        };
    }

    static LearningRate multiStep(double initial, double gamma, List<Span> milestones) {
        Checks.rate("initial learning rate", initial);
        Checks.atLeast("gamma", gamma, 0);
        return plan -> {
            long[] steps = milestones.stream().mapToLong(m -> m.in(plan)).toArray();
            return step -> {
                int passed = 0;
                for (long milestone : steps) {
                    passed += step >= milestone ? 1 : 0;
                }
                return initial * StrictMath.pow(gamma, passed);
            };
        };
    }

    static LearningRate exponential(double initial, double gamma, Span every) {
        Checks.rate("initial learning rate", initial);
        Checks.positive("gamma", gamma);
        return plan -> {
            long size = every.positive(plan, "length of an exponential learning rate");
            return step -> initial * StrictMath.pow(gamma, (double) step / size);
        };
    }

    static LearningRate polynomial(double initial, double power, @Nullable Span length) {
        Checks.rate("initial learning rate", initial);
        Checks.positive("power", power);
        return plan -> {
            long total = length(length, plan, "length of a polynomial learning rate");
            return step ->
                    initial
                            * StrictMath.pow(
                                    (double) (total - Math.min(step, total)) / total, power);
        };
    }

    private static double cosine(double initial, double minimum, long step, long total) {
        // Reduced to one period first: the cosine of a large multiple of pi is inexact.
        double angle = Math.PI * (step % (2 * total)) / total;
        return minimum + (initial - minimum) * (1 + StrictMath.cos(angle)) / 2;
    }

    private static long length(@Nullable Span length, SchedulePlan plan, String what) {
        return length == null ? plan.steps() : length.positive(plan, what);
    }
}
