package org.yoloddp.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;

class YoloV5ScheduleTest {

    @TestFactory
    Stream<DynamicTest> equalsTheOriginal() {
        return entries().stream()
                .map(
                        entry ->
                                DynamicTest.dynamicTest(
                                        entry.get("optimizer")
                                                + " "
                                                + entry.get("epochs")
                                                + " x "
                                                + entry.get("batches_per_epoch")
                                                + " of "
                                                + entry.get("total_batch"),
                                        () -> check(entry)));
    }

    private static List<JsonObject> entries() {
        return StreamSupport.stream(
                        Golden.json("schedules.json").getAsJsonArray("yolov5").spliterator(), false)
                .map(JsonElement::getAsJsonObject)
                .toList();
    }

    private static void check(JsonObject entry) {
        boolean sgd = entry.get("optimizer").getAsString().equals("SGD");
        SchedulePlan plan = plan(entry);
        YoloV5Schedule schedule = schedule(entry).asOriginal();
        HyperparameterSchedule.Bound bound =
                (sgd ? schedule : schedule.withoutMomentum()).bind(plan, 3);
        List<double[]> rates =
                Stream.of("lr_bias", "lr_decay_weights", "lr_norm_weights")
                        .map(name -> Golden.doubles(entry.get(name)))
                        .toList();
        double[] momentum = Golden.doubles(entry.get("momentum"));
        double[] accumulate = Golden.doubles(entry.get("accumulate"));
        double[] updates = Golden.doubles(entry.get("optimizer_step"));
        assertThat(plan.steps()).isEqualTo(updates.length);
        for (int step = 0; step < updates.length; step++) {
            Hyperparameters at = bound.at(step);
            for (int group = 0; group < 3; group++) {
                double expected = rates.get(group)[step];
                assertThat(at.learningRates()[group]).isCloseTo(expected, within(1e-12 * expected));
            }
            if (sgd) {
                assertThat(at.momentum()).isCloseTo(momentum[step], within(1e-12 * momentum[step]));
            } else {
                assertThat(at.momentum()).isNaN();
                assertThat(momentum[step]).isEqualTo(momentum[0]);
            }
            assertThat(at.accumulate()).isEqualTo((int) accumulate[step]);
            assertThat(bound.updatesAfter(step)).isEqualTo(updates[step] == 1);
        }
        assertThat(YoloV5Schedule.scaledWeightDecay(0.0005, entry.get("total_batch").getAsInt()))
                .isEqualTo(entry.get("scaled_weight_decay").getAsDouble());
    }

    @TestFactory
    Stream<DynamicTest> usesTheRateOfItsOwnEpochUnlessAskedForTheOriginal() {
        return entries().stream()
                .map(
                        entry ->
                                DynamicTest.dynamicTest(
                                        entry.get("epochs") + " epochs",
                                        () -> {
                                            double[] factors = Golden.doubles(entry.get("lf"));
                                            SchedulePlan plan = plan(entry);
                                            HyperparameterSchedule.Bound bound =
                                                    schedule(entry).warmup(0, 0).bind(plan, 3);
                                            for (long step = 0; step < plan.steps(); step++) {
                                                double expected =
                                                        0.01 * factors[(int) plan.epochOf(step)];
                                                assertThat(bound.at(step).learningRates())
                                                        .containsExactly(
                                                                new double[] {
                                                                    expected, expected, expected
                                                                },
                                                                within(1e-12 * expected));
                                            }
                                        }));
    }

    @Test
    void theRightScheduleDiffersFromTheOriginalAfterTheWarmup() {
        SchedulePlan plan = new SchedulePlan(30, 13);
        YoloV5Schedule schedule = YoloV5Schedule.forBatchSize(16);
        HyperparameterSchedule.Bound right = schedule.bind(plan, 3);
        HyperparameterSchedule.Bound original = schedule.asOriginal().bind(plan, 3);
        assertThat(right.at(103)).isEqualTo(original.at(103));
        assertThat(right.at(104).learningRates()[1]).isLessThan(0.00737);
        assertThat(original.at(104).learningRates()[1]).isGreaterThan(0.00768);
        assertThat(right.at(389).learningRates()[1])
                .isCloseTo(0.01 * ((1 - 29 / 30.0) * 0.99 + 0.01), within(1e-15));
    }

    @Test
    void aSingleGroupWarmsUpFromZero() {
        HyperparameterSchedule.Bound bound =
                YoloV5Schedule.forBatchSize(64).bind(new SchedulePlan(10, 50), 1);
        assertThat(bound.at(0).learningRates()).containsExactly(0);
        assertThat(bound.at(0).momentum()).isEqualTo(0.8);
    }

    @Test
    void theSettingsTakeEffect() {
        HyperparameterSchedule.Bound bound =
                YoloV5Schedule.forBatchSize(8)
                        .learningRate(0.02, 0.5)
                        .warmup(1, 0)
                        .warmupBiasRate(0.2)
                        .momentum(0.5, 0.9)
                        .nominalBatchSize(16)
                        .bind(new SchedulePlan(10, 10), 2);
        assertThat(bound.at(0)).isEqualTo(new Hyperparameters(new double[] {0.2, 0}, 0.5, 1));
        assertThat(bound.at(10))
                .isEqualTo(new Hyperparameters(new double[] {0.019, 0.019}, 0.9, 2));
    }

    @Test
    void isAPureFunctionOfTheStep() {
        HyperparameterSchedule.Bound bound =
                YoloV5Schedule.forBatchSize(16).bind(new SchedulePlan(30, 13), 3);
        Hyperparameters before = bound.at(90);
        bound.at(389);
        bound.updatesAfter(17);
        assertThat(bound.at(90)).isEqualTo(before).isNotEqualTo(bound.at(91));
    }

    @Test
    void refusesSettingsOutOfTheirRange() {
        YoloV5Schedule schedule = YoloV5Schedule.forBatchSize(16);
        assertThatThrownBy(() -> YoloV5Schedule.forBatchSize(0))
                .isExactlyInstanceOf(ConfigurationException.class)
                .hasMessage("batch size must be at least 1: 0");
        assertThatThrownBy(() -> schedule.learningRate(-1, 0.01))
                .hasMessage("initial learning rate must be finite and at least 0.0: -1.0");
        assertThatThrownBy(() -> schedule.learningRate(0.01, Double.NaN))
                .hasMessage("final learning rate factor must be finite and at least 0.0: NaN");
        assertThatThrownBy(() -> schedule.warmup(-3, 100))
                .hasMessage("warm-up epochs must be finite and at least 0.0: -3.0");
        assertThatThrownBy(() -> schedule.warmup(3, -100))
                .hasMessage("minimum warm-up steps must be at least 0: -100");
        assertThatThrownBy(() -> schedule.momentum(0.8, 1.5))
                .hasMessage("momentum must lie between 0.0 and 1.0: 1.5");
        assertThatThrownBy(() -> schedule.nominalBatchSize(0))
                .hasMessage("nominal batch size must be at least 1: 0");
        assertThatThrownBy(() -> schedule.bind(new SchedulePlan(1, 1), 0))
                .hasMessage("parameter groups must be at least 1: 0");
    }

    private static YoloV5Schedule schedule(JsonObject entry) {
        YoloV5Schedule schedule = YoloV5Schedule.forBatchSize(entry.get("total_batch").getAsInt());
        return entry.get("cos_lr").getAsBoolean() ? schedule.cosine() : schedule;
    }

    private static SchedulePlan plan(JsonObject entry) {
        return new SchedulePlan(
                entry.get("epochs").getAsInt(), entry.get("batches_per_epoch").getAsInt());
    }
}
