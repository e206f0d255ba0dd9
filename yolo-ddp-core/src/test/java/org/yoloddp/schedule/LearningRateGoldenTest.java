package org.yoloddp.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.yoloddp.schedule.Span.steps;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.yoloddp.testing.Golden;

class LearningRateGoldenTest {

    private static final double BASE = 0.1;
    private static final Span EACH = steps(1);

    @TestFactory
    Stream<DynamicTest> equalsPyTorch() {
        return entries().stream()
                .map(
                        entry ->
                                DynamicTest.dynamicTest(
                                        entry.get("scheduler").getAsString() + entry.get("args"),
                                        () -> check(entry)));
    }

    @Test
    void allGoldenEntriesAreRead() {
        assertThat(entries()).hasSize(41);
    }

    @Test
    void eachParameterGroupHasItsOwnRate() {
        // Three groups, CosineAnnealingLR.
        JsonObject entry =
                Golden.json("schedules.json").getAsJsonArray("torch").get(33).getAsJsonObject();
        double[] bases = Golden.doubles(entry.get("group_base_lrs"));
        JsonArray expected = entry.getAsJsonArray("lrs");
        HyperparameterSchedule.Bound bound =
                HyperparameterSchedule.perGroup(
                                Arrays.stream(bases)
                                        .mapToObj(
                                                base ->
                                                        LearningRate.cosineAnnealing(
                                                                base, 0.02, steps(6)))
                                        .toArray(LearningRate[]::new))
                        .bind(new SchedulePlan(1, expected.size()), bases.length);
        for (int step = 0; step < expected.size(); step++) {
            double[] rates = bound.at(step).learningRates();
            double[] golden = Golden.doubles(expected.get(step));
            assertThat(rates).hasSameSizeAs(golden);
            for (int group = 0; group < rates.length; group++) {
                assertRelative(rates[group], golden[group]);
            }
        }
    }

    private static List<JsonObject> entries() {
        return StreamSupport.stream(
                        Golden.json("schedules.json").getAsJsonArray("torch").spliterator(), false)
                .map(JsonElement::getAsJsonObject)
                .filter(entry -> !entry.has("group_base_lrs"))
                .toList();
    }

    private static void check(JsonObject entry) {
        double[] expected = Golden.doubles(entry.get("lrs"));
        BoundRate rate = rate(entry).bind(new SchedulePlan(1, expected.length));
        for (int step = 0; step < expected.length; step++) {
            assertRelative(rate.at(step), expected[step]);
        }
        if (entry.has("momentum") && !Double.isNaN(rate.momentumAt(0))) {
            for (String name : List.of("momentum", "adamw_beta1")) {
                double[] momentum = Golden.doubles(entry.get(name));
                for (int step = 0; step < momentum.length; step++) {
                    assertRelative(rate.momentumAt(step), momentum[step]);
                }
            }
        }
    }

    private static void assertRelative(double actual, double expected) {
        assertThat(actual).isCloseTo(expected, within(1e-12 * Math.abs(expected)));
    }

    private static LearningRate rate(JsonObject entry) {
        JsonObject args = entry.getAsJsonObject("args");
        String scheduler = entry.get("scheduler").getAsString();
        return switch (scheduler) {
            case "ConstantLR" -> heldThen(number(args, "factor"), args.get("total_iters"));
            case "LinearLR" ->
                    LearningRate.linear(
                            BASE * number(args, "start_factor"),
                            BASE * number(args, "end_factor"),
                            span(args, "total_iters"));
            case "ExponentialLR" -> LearningRate.exponential(BASE, number(args, "gamma"), EACH);
            case "PolynomialLR" ->
                    LearningRate.polynomial(BASE, number(args, "power"), span(args, "total_iters"));
            case "StepLR" ->
                    LearningRate.step(BASE, number(args, "gamma"), span(args, "step_size"));
            case "MultiStepLR" ->
                    LearningRate.multiStep(BASE, number(args, "gamma"), milestones(args));
            case "CosineAnnealingLR" ->
                    LearningRate.cosineAnnealing(
                            BASE, number(args, "eta_min"), span(args, "T_max"));
            case "CosineAnnealingWarmRestarts" ->
                    LearningRate.cosineWarmRestarts(
                            BASE,
                            number(args, "eta_min"),
                            span(args, "T_0"),
                            args.get("T_mult").getAsInt());
            case "OneCycleLR" -> oneCycle(args);
            default -> composed(args.get("of").getAsString());
        };
    }

    private static LearningRate heldThen(double factor, JsonElement length) {
        return LearningRate.sequential(
                List.of(LearningRate.constant(BASE * factor), LearningRate.constant(BASE)),
                List.of(steps(length.getAsLong())));
    }

    private static Span[] milestones(JsonObject args) {
        return StreamSupport.stream(args.getAsJsonArray("milestones").spliterator(), false)
                .map(milestone -> steps(milestone.getAsLong()))
                .toArray(Span[]::new);
    }

    private static LearningRate oneCycle(JsonObject args) {
        // The length is the plan's, except where it is given, to try both.
        OneCycle cycle = LearningRate.oneCycle(number(args, "max_lr"));
        if (args.has("total_steps")) {
            cycle = cycle.over(span(args, "total_steps"));
        }
        if (args.has("pct_start")) {
            cycle = cycle.riseShare(number(args, "pct_start"));
        }
        if (args.has("div_factor")) {
            cycle = cycle.divFactors(number(args, "div_factor"), number(args, "final_div_factor"));
        }
        if (args.has("base_momentum")) {
            cycle = cycle.momentum(number(args, "base_momentum"), number(args, "max_momentum"));
        }
        if (args.has("cycle_momentum")) {
            cycle = cycle.withoutMomentum();
        }
        if (args.has("anneal_strategy")
                && args.get("anneal_strategy").getAsString().equals("linear")) {
            cycle = cycle.linear();
        }
        boolean threePhase = args.has("three_phase") && args.get("three_phase").getAsBoolean();
        return threePhase ? cycle.threePhase() : cycle;
    }

    private static LearningRate composed(String description) {
        return switch (description) {
            case "Linear(0.1,1,3) then Cosine(T_max=5)" ->
                    after(warmup(0.1, 3), 3, LearningRate.cosineAnnealing(BASE, 0, steps(5)));
            case "Linear(0.001,1,10) then Cosine(T_max=40, eta_min=0.0005)" ->
                    after(
                            warmup(0.001, 10),
                            10,
                            LearningRate.cosineAnnealing(BASE, 0.0005, steps(40)));
            case "Constant(0.1,2) then Exponential(0.9)" ->
                    after(
                            LearningRate.constant(BASE * 0.1),
                            2,
                            LearningRate.exponential(BASE, 0.9, EACH));
            case "Linear(0.5,1,2), Step(2,0.1), Exponential(0.5) at 3, 8" ->
                    LearningRate.sequential(
                            List.of(
                                    warmup(0.5, 2),
                                    LearningRate.step(BASE, 0.1, steps(2)),
                                    LearningRate.exponential(BASE, 0.5, EACH)),
                            List.of(steps(3), steps(8)));
            case "Linear(0.1,1,4) then CosineWarmRestarts(T_0=3,T_mult=2)" ->
                    after(warmup(0.1, 4), 4, LearningRate.cosineWarmRestarts(BASE, 0, steps(3), 2));
            case "Linear(0.1,1,3) then Polynomial(6,2)" ->
                    after(warmup(0.1, 3), 3, LearningRate.polynomial(BASE, 2, steps(6)));
            case "Constant(0.1,2) x Exponential(0.9)" ->
                    LearningRate.exponential(BASE, 0.9, EACH)
                            .times(
                                    LearningRate.sequential(
                                            List.of(
                                                    LearningRate.constant(0.1),
                                                    LearningRate.constant(1)),
                                            List.of(steps(2))));
            case "0.95 ** epoch" -> plan -> step -> BASE * Math.pow(0.95, step);
            default -> throw new AssertionError("not mapped: " + description);
        };
    }

    private static LearningRate warmup(double factor, long length) {
        return LearningRate.linear(BASE * factor, BASE, steps(length));
    }

    private static LearningRate after(LearningRate first, long milestone, LearningRate second) {
        return LearningRate.sequential(List.of(first, second), List.of(steps(milestone)));
    }

    private static double number(JsonObject args, String name) {
        return args.get(name).getAsDouble();
    }

    private static Span span(JsonObject args, String name) {
        return steps(args.get(name).getAsLong());
    }
}
