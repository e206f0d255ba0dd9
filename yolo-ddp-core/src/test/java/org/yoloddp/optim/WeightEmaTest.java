package org.yoloddp.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.google.gson.JsonObject;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class WeightEmaTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void decayRisesAsInTheOriginal() {
        JsonObject golden = Golden.json("optim.json").getAsJsonObject("ema");

        requireDecays(golden.getAsJsonObject("decay"), .9999, 2000);
        requireDecays(golden.getAsJsonObject("decay_0.99_tau_10"), .99, 10);
    }

    private static void requireDecays(JsonObject golden, double decay, double tau) {
        golden.entrySet()
                .forEach(
                        entry ->
                                assertThat(
                                                WeightEma.decay(
                                                        decay, tau, Long.parseLong(entry.getKey())))
                                        .isCloseTo(entry.getValue().getAsDouble(), within(1e-15)));
    }

    @Test
    void averagesWeightsAndRunningStatisticsButLeavesWholeNumbersAlone() {
        StateDict source = state(1.25f, -2.5f, 7);
        StateDict target = state(0, 0, 3);
        float weight = 1.25f;
        float mean = -2.5f;
        double averageWeight = weight;
        double averageMean = mean;

        try (WeightEma ema = WeightEma.create(target, source, .9, 2)) {
            for (int update = 1; update <= 5; update++) {
                weight += .37f;
                mean *= .61f;
                set(source, "weight", weight);
                set(source, "running_mean", mean);
                ema.update();

                assertThat(ema.updates()).isEqualTo(update);
                double decay = .9 * (1 - Math.exp(-update / 2.));
                averageWeight = averageWeight * decay + weight * (1 - decay);
                averageMean = averageMean * decay + mean * (1 - decay);
                assertThat((double) target.get("weight").array().getFloat(0))
                        .isCloseTo(averageWeight, within(1e-6));
                assertThat((double) target.get("running_mean").array().getFloat(0))
                        .isCloseTo(averageMean, within(1e-6));
            }
        }
        assertThat(Math.abs(averageWeight - weight)).isGreaterThan(.1);
        assertThat(Math.abs(averageMean - mean)).isGreaterThan(.1);
        assertThat(target.get("running_count").array().getLong(0)).isEqualTo(7);
        assertThat(source.get("weight").array().getFloat(0)).isEqualTo(weight);
    }

    @Test
    void refusesValuesOutsideTheirRange() {
        StateDict state = state(1, 1, 1);

        assertThatThrownBy(() -> WeightEma.create(state, state, 1, 2000))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("decay is 1.0, must be from 0 to below 1");
        assertThatThrownBy(() -> WeightEma.create(state, state, .99, 0))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("tau is 0.0, must be a positive finite number");
    }

    private StateDict state(float weight, float mean, long count) {
        Map<String, NDArray> values = new LinkedHashMap<>();
        values.put("weight", manager.create(new float[] {weight}));
        values.put("running_mean", manager.create(new float[] {mean}));
        values.put("running_count", manager.create(new long[] {count}));
        return NamedParameters.of(manager, values).state();
    }

    private void set(StateDict state, String name, float value) {
        try (TensorList to = TensorList.of(List.of(state.get(name).array()));
                TensorList from = TensorList.of(List.of(manager.create(new float[] {value})))) {
            to.copyFrom(from);
        }
    }
}
