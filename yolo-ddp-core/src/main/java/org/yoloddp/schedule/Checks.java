package org.yoloddp.schedule;

import java.util.List;
import org.yoloddp.error.ConfigurationException;

/** The refusals of this package, with their messages. */
final class Checks {

    private Checks() {}

    static void atLeast(String what, long value, long least) {
        if (value < least) {
            throw new ConfigurationException(what + " must be at least " + least + ": " + value);
        }
    }

    static double atLeast(String what, double value, double least) {
        if (!(value >= least) || Double.isInfinite(value)) {
            throw new ConfigurationException(
                    what + " must be finite and at least " + least + ": " + value);
        }
        return value;
    }

    static double positive(String what, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new ConfigurationException(what + " must be finite and above 0: " + value);
        }
        return value;
    }

    static double between(String what, double value, double least, double most) {
        if (!(value >= least && value <= most)) {
            throw new ConfigurationException(
                    what + " must lie between " + least + " and " + most + ": " + value);
        }
        return value;
    }

    static double rate(String what, double value) {
        return atLeast(what, value, 0);
    }

    static ConfigurationException emptySpan(String what, Span span, SchedulePlan plan) {
        return new ConfigurationException(
                what
                        + " is "
                        + span
                        + ", which is no step at all with "
                        + plan.batchesPerEpoch()
                        + " batches per epoch; give at least one step");
    }

    static void increasing(List<Span> milestones, long[] steps) {
        for (int i = 0; i < steps.length; i++) {
            if (steps[i] <= (i == 0 ? 0 : steps[i - 1])) {
                throw new ConfigurationException(
                        "milestones of a sequential schedule must be above 0 and increase: "
                                + milestones);
            }
        }
    }

    static void oneMore(int rates, int milestones) {
        if (rates != milestones + 1) {
            throw new ConfigurationException(
                    "a sequential schedule needs one learning rate more than milestones: "
                            + rates
                            + " learning rates, "
                            + milestones
                            + " milestones");
        }
    }

    static void onePerGroup(int rates, int groups) {
        if (rates != groups) {
            throw new ConfigurationException(
                    "each parameter group needs its learning rate: "
                            + rates
                            + " learning rates, "
                            + groups
                            + " parameter groups");
        }
    }
}
