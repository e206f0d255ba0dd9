package org.yoloddp.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.yoloddp.schedule.Span.epochs;
import static org.yoloddp.schedule.Span.steps;

import ai.djl.training.tracker.Tracker;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.yoloddp.error.ConfigurationException;

class LearningRateTest {

    private static final SchedulePlan PLAN = new SchedulePlan(10, 13);

    @Test
    void lengthsInEpochsBecomeSteps() {
        assertThat(epochs(3).in(PLAN)).isEqualTo(39);
        assertThat(epochs(0.5).in(PLAN)).isEqualTo(7);
        assertThat(steps(5).in(PLAN)).isEqualTo(5);
        assertThat(epochs(3))
                .isEqualTo(epochs(3))
                .isNotEqualTo(steps(3))
                .hasToString("epochs(3.0)");
    }

    @Test
    void withoutALengthACosineLastsTheWholeTraining() {
        BoundRate rate = LearningRate.cosineAnnealing(0.01, 1e-4).bind(PLAN);
        assertThat(rate.at(0)).isEqualTo(0.01);
        assertThat(rate.at(65)).isCloseTo(0.00505, within(1e-15));
        assertThat(rate.at(130)).isEqualTo(1e-4);
    }

    @Test
    void aWarmupScalesTheScheduleUnderneath() {
        LearningRate cosine = LearningRate.cosineAnnealing(0.01, 1e-4);
        BoundRate plain = cosine.bind(PLAN);
        BoundRate rate = cosine.withLinearWarmup(epochs(3)).bind(PLAN);
        assertThat(rate.at(0)).isCloseTo(0.01 / 1000, within(1e-18));
        assertThat(rate.at(13)).isCloseTo(plain.at(13) * (0.001 + 0.999 / 3), within(1e-16));
        assertThat(rate.at(38)).isNotEqualTo(plain.at(38));
        assertThat(rate.at(39)).isEqualTo(plain.at(39));
        assertThat(cosine.withLinearWarmup(steps(0)).bind(PLAN).at(0)).isEqualTo(0.01);
        assertThat(cosine.withLinearWarmup(steps(4), 0).bind(PLAN).at(0)).isZero();
    }

    @Test
    void insideASequenceASchedulesOwnLengthIsItsTurn() {
        BoundRate rate =
                LearningRate.sequential(
                                List.of(LearningRate.linear(0, 0.1), LearningRate.linear(0.1, 0.2)),
                                List.of(epochs(4)))
                        .bind(PLAN);
        assertThat(rate.at(26)).isEqualTo(0.05);
        assertThat(rate.at(52)).isEqualTo(0.1);
        assertThat(rate.at(52 + 39)).isCloseTo(0.15, within(1e-15));
        assertThat(rate.at(1000)).isEqualTo(0.2);
    }

    @Test
    void aScheduleWhoseTurnNeverComesIsHarmless() {
        BoundRate rate =
                LearningRate.sequential(
                                List.of(LearningRate.constant(1), LearningRate.linear(1, 2)),
                                List.of(epochs(10)))
                        .bind(PLAN);
        assertThat(rate.at(129)).isEqualTo(1);
    }

    @Test
    void heldPerEpochMovesAtEpochStartsOnly() {
        LearningRate line = LearningRate.linear(1.3, 0);
        BoundRate smooth = line.bind(PLAN);
        BoundRate held = line.heldPerEpoch().bind(PLAN);
        for (long step = 0; step < PLAN.steps(); step++) {
            assertThat(held.at(step)).isEqualTo(smooth.at(step / 13 * 13));
        }
        BoundRate shifted =
                LearningRate.sequential(
                                List.of(LearningRate.constant(9), line.heldPerEpoch()),
                                List.of(steps(15)))
                        .bind(PLAN);
        assertThat(shifted.at(15)).isEqualTo(1.3).isEqualTo(shifted.at(25));
        assertThat(shifted.at(26)).isCloseTo(1.3 * (1 - 11 / 115.0), within(1e-15));
        assertThat(shifted.at(38)).isEqualTo(shifted.at(26));
    }

    @Test
    void theMomentumOfAOneCycleSurvivesDecoration() {
        LearningRate cycle = LearningRate.oneCycle(0.1);
        BoundRate plain = cycle.bind(PLAN);
        BoundRate decorated =
                cycle.withLinearWarmup(steps(5)).times(LearningRate.constant(2)).bind(PLAN);
        assertThat(decorated.momentumAt(20)).isEqualTo(plain.momentumAt(20)).isNotNaN();
        assertThat(LearningRate.constant(1).bind(PLAN).momentumAt(20)).isNaN();
        BoundRate second =
                LearningRate.sequential(
                                List.of(LearningRate.constant(1), cycle), List.of(steps(30)))
                        .bind(PLAN);
        assertThat(second.momentumAt(29)).isNaN();
        assertThat(second.momentumAt(30)).isEqualTo(0.95);
    }

    @Test
    void aOneCycleStaysWhereItEnded() {
        BoundRate rate = LearningRate.oneCycle(0.1).over(steps(10)).bind(PLAN);
        assertThat(rate.at(9)).isEqualTo(0.1 / 25 / 1e4);
        assertThat(rate.at(100)).isEqualTo(rate.at(9));
        BoundRate without = LearningRate.oneCycle(0.1).over(steps(10)).riseShare(0.1).bind(PLAN);
        assertThat(without.at(0)).isEqualTo(0.1);
    }

    @Test
    void aDjlTrackerThatChangesWhenAskedBecomesAPureFunction() {
        LearningRate rate = LearningRate.of(tracker());
        BoundRate first = rate.bind(PLAN);
        BoundRate second = rate.bind(PLAN);
        double[] inOrder = new double[60];
        for (int i = inOrder.length - 1; i >= 0; i--) {
            inOrder[i] = first.at(i);
        }
        Tracker original = tracker();
        for (int i = 0; i < inOrder.length; i++) {
            assertThat(inOrder[i]).isEqualTo(original.getNewValue(i + 1)).isEqualTo(second.at(i));
        }
        // The negative control: the tracker itself has another answer the second time.
        assertThat((double) original.getNewValue(1)).isNotEqualTo(inOrder[0]);
    }

    private static Tracker tracker() {
        return Tracker.multiFactor()
                .setBaseValue(0.1f)
                .setSteps(new int[] {10, 30, 50})
                .optFactor(0.5f)
                .build();
    }

    @TestFactory
    Stream<DynamicTest> isAPureFunctionOfTheStep() {
        return Stream.of(
                        LearningRate.linear(0, 1),
                        LearningRate.cosineWarmRestarts(1, 0, steps(3), 2),
                        LearningRate.oneCycle(1),
                        LearningRate.step(1, 0.5, epochs(2)),
                        LearningRate.multiStep(1, 0.1, epochs(2), epochs(5)),
                        LearningRate.exponential(1, 0.9, epochs(1)),
                        LearningRate.polynomial(1, 2),
                        LearningRate.of(tracker()))
                .map(rate -> DynamicTest.dynamicTest("schedule", () -> checkPure(rate)));
    }

    private static void checkPure(LearningRate rate) {
        BoundRate bound = rate.bind(PLAN);
        Random random = new Random(3);
        long[] asked = random.longs(200, 0, 130).toArray();
        double[] first = new double[asked.length];
        for (int i = 0; i < asked.length; i++) {
            first[i] = bound.at(asked[i]);
        }
        BoundRate again = rate.bind(PLAN);
        for (int i = asked.length - 1; i >= 0; i--) {
            assertThat(again.at(asked[i])).isEqualTo(first[i]).isEqualTo(bound.at(asked[i]));
        }
        assertThat(bound.at(0)).isNotEqualTo(bound.at(129));
    }

    @Test
    void oneRateServesAllGroups() {
        HyperparameterSchedule.Bound bound =
                HyperparameterSchedule.of(LearningRate.constant(0.1), 4).bind(PLAN, 3);
        assertThat(bound.at(7))
                .isEqualTo(new Hyperparameters(new double[] {.1, .1, .1}, Double.NaN, 4))
                .hasToString(
                        "Hyperparameters[learningRates=[0.1, 0.1, 0.1], momentum=NaN,"
                                + " accumulate=4]");
        assertThat(Stream.of(0, 1, 2, 3, 4, 7).filter(bound::updatesAfter)).containsExactly(3, 7);
    }

    @Test
    void refusesValuesOutOfTheirRange() {
        refused(
                "learning rate must be finite and at least 0.0: -0.1",
                () -> LearningRate.constant(-0.1));
        refused(
                "minimum learning rate must be finite and at least 0.0: Infinity",
                () -> LearningRate.cosineAnnealing(1, Double.POSITIVE_INFINITY));
        refused(
                "multiplier of warm restarts must be at least 1: 0",
                () -> LearningRate.cosineWarmRestarts(1, 0, steps(3), 0));
        refused(
                "gamma must be finite and above 0: 0.0",
                () -> LearningRate.exponential(1, 0, steps(1)));
        refused(
                "power must be finite and above 0: NaN",
                () -> LearningRate.polynomial(1, Double.NaN));
        refused(
                "maximum learning rate must be finite and above 0: 0.0",
                () -> LearningRate.oneCycle(0));
        refused(
                "rise share of a one-cycle learning rate must lie between 0.0 and 1.0: 1.5",
                () -> LearningRate.oneCycle(1).riseShare(1.5));
        refused(
                "start factor of a warm-up must lie between 0.0 and 1.0: 2.0",
                () -> LearningRate.constant(1).withLinearWarmup(steps(3), 2));
        refused("epochs of a span must be finite and at least 0.0: -1.0", () -> epochs(-1));
        refused("steps of a span must be at least 0: -1", () -> steps(-1));
        refused("epochs must be at least 1: 0", () -> new SchedulePlan(0, 5));
        refused("batches per epoch must be at least 1: 0", () -> new SchedulePlan(5, 0));
        refused(
                "batches to accumulate must be at least 1: 0",
                () -> HyperparameterSchedule.of(LearningRate.constant(1), 0));
    }

    @Test
    void refusesWhatDoesNotFitThePlan() {
        refused(
                "length of a cosine is epochs(0.01), which is no step at all with 13 batches per"
                        + " epoch; give at least one step",
                () -> LearningRate.cosineAnnealing(1, 0, epochs(0.01)).bind(PLAN));
        refused(
                "a sequential schedule needs one learning rate more than milestones: 1 learning"
                        + " rates, 1 milestones",
                () ->
                        LearningRate.sequential(
                                List.of(LearningRate.constant(1)), List.of(steps(1))));
        refused(
                "milestones of a sequential schedule must be above 0 and increase: [epochs(2.0),"
                        + " steps(26)]",
                () ->
                        LearningRate.sequential(
                                        List.of(
                                                LearningRate.constant(1),
                                                LearningRate.constant(2),
                                                LearningRate.constant(3)),
                                        List.of(epochs(2), steps(26)))
                                .bind(PLAN));
        refused(
                "steps of a one-cycle learning rate must be at least 2: 1",
                () -> LearningRate.oneCycle(1).over(steps(1)).bind(PLAN));
        refused(
                "rise share of a three-phase one-cycle must lie between 0.0 and 0.5: 0.6",
                () -> LearningRate.oneCycle(1).riseShare(0.6).threePhase().bind(PLAN));
        refused(
                "each parameter group needs its learning rate: 1 learning rates, 3 parameter groups",
                () -> HyperparameterSchedule.perGroup(LearningRate.constant(1)).bind(PLAN, 3));
    }

    private static void refused(String message, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isExactlyInstanceOf(ConfigurationException.class)
                .hasMessage(message);
    }
}
