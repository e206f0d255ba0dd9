package org.yoloddp.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.SafetensorsFile;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TorchRuntime;

/** Against what PyTorch's optimizers make of the same gradients. */
@Tag("torch")
class FusedOptimizerTest {

    private static final int PARAMETERS = 3;
    private static final int STEPS = 10;
    private static final double TOLERANCE = 5e-6;

    /** What the golden file holds beyond SGD, Adam and AdamW as offered here. */
    private static final Set<String> NOT_OFFERED =
            Set.of(
                    "sgd_maximize",
                    "adam_amsgrad",
                    "adamw_amsgrad",
                    "rmsprop",
                    "rmsprop_momentum",
                    "rmsprop_centered_wd");

    private static SafetensorsFile golden;
    private static JsonObject configurations;
    private NDManager manager;

    @BeforeAll
    static void readGolden() throws IOException {
        TorchRuntime.start();
        try (InputStream in = Golden.stream("optim.safetensors")) {
            golden = SafetensorsFile.read(in);
        }
        configurations = Golden.json("optim.json").getAsJsonObject("optimizers");
    }

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<String> offered() {
        return Golden.json("optim.json").getAsJsonObject("optimizers").keySet().stream()
                .filter(name -> !NOT_OFFERED.contains(name));
    }

    @ParameterizedTest
    @MethodSource("offered")
    void givesTheParametersOfPyTorch(String name) {
        assertThat(largestDifference(name, 0)).isLessThan(TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("offered")
    void aLearningRateOnePercentOffIsSeen(String name) {
        assertThat(largestDifference(name, .01)).isGreaterThan(10 * TOLERANCE);
    }

    /** Runs all steps; the difference is the largest over steps, parameters and elements. */
    private double largestDifference(String name, double learningRateError) {
        NamedParameters block = goldenStart();
        StateDict state = block.state();
        OptimizerSpec spec = spec(name);
        double largest = 0;
        try (FusedOptimizer optimizer =
                FusedOptimizer.create(spec, oneGroup(spec.weightDecay()), state)) {
            for (int step = 0; step < STEPS; step++) {
                for (int p = 0; p < PARAMETERS; p++) {
                    block.setGradient(p, slice("grad" + p, step));
                }
                double learningRate = learningRate(name, step) * (1 + learningRateError);
                double momentum = name.equals("sgd_varying") ? .8 + .01 * step : Double.NaN;
                boolean missing = name.equals("sgd_varying") && (step == 0 || step == 4);
                optimizer.step(
                        new double[] {learningRate},
                        momentum,
                        missing ? Set.of("param1") : Set.of());
                for (int p = 0; p < PARAMETERS; p++) {
                    float[] expected = slice(name + "/param" + p, step);
                    float[] actual = state.get("param" + p).array().toFloatArray();
                    for (int i = 0; i < expected.length; i++) {
                        largest = Math.max(largest, Math.abs(expected[i] - actual[i]));
                    }
                }
            }
        }
        return largest;
    }

    @Test
    void groupsHaveTheirOwnLearningRateAndWeightDecay() {
        NamedParameters block = block(Map.of("a", ones(), "b", ones()));
        List<ParameterGroup> groups =
                List.of(
                        new ParameterGroup("decayed", List.of("b"), .5),
                        new ParameterGroup("plain", List.of("a"), 0));
        block.state().trainable().forEach(e -> block.fillGradient(e.name(), 1));

        try (FusedOptimizer optimizer =
                FusedOptimizer.create(OptimizerSpec.sgd(), groups, block.state())) {
            optimizer.step(new double[] {.1, .01}, Double.NaN);
        }
        assertThat(block.state().get("a").array().toFloatArray()).containsOnly(.99f);
        assertThat(block.state().get("b").array().toFloatArray()).containsOnly(1 - .15f);
    }

    @Test
    void skipsFrozenParameters() {
        Map<String, NDArray> values = new LinkedHashMap<>();
        values.put("a", ones());
        values.put("frozen", ones());
        NamedParameters block = block(values);
        StateDict state =
                StateDict.of(
                        block.state().entries().stream()
                                .map(
                                        e ->
                                                new StateDict.Entry(
                                                        e.name(),
                                                        e.array(),
                                                        false,
                                                        !e.name().equals("frozen")))
                                .toList());
        block.fillGradient("a", 1);
        block.fillGradient("frozen", 1);

        try (FusedOptimizer optimizer =
                FusedOptimizer.create(
                        OptimizerSpec.sgd(),
                        List.of(new ParameterGroup("all", List.of("frozen", "a"), .5)),
                        state)) {
            optimizer.step(new double[] {.1}, Double.NaN);
        }
        assertThat(state.get("frozen").array().toFloatArray()).containsOnly(1f);
        assertThat(state.get("a").array().toFloatArray()).containsOnly(1 - .15f);
    }

    @Test
    void aGroupMayHaveNothingToTrain() {
        NamedParameters block = block(Map.of("a", ones()));
        block.fillGradient("a", 1);
        List<ParameterGroup> groups =
                List.of(
                        new ParameterGroup("empty", List.of(), 0),
                        new ParameterGroup("a", List.of("a"), 0));

        for (OptimizerSpec spec :
                List.of(OptimizerSpec.sgd().momentum(.9), OptimizerSpec.adamW())) {
            try (FusedOptimizer optimizer = FusedOptimizer.create(spec, groups, block.state())) {
                optimizer.step(new double[] {.1, .1}, Double.NaN);
                assertThat(optimizer.state()).isNotEmpty();
            }
        }
    }

    @Test
    void stateIsKeyedByParameterAndHasItsLayout() {
        NDArray weight = manager.ones(new Shape(4, 3, 2, 2));
        Map<String, NDArray> values = new LinkedHashMap<>();
        values.put("conv.weight", weight);
        values.put("conv.bias", ones());
        NamedParameters block = NamedParameters.of(manager, values, Layouts::toChannelsLast);
        List<ParameterGroup> groups =
                List.of(new ParameterGroup("all", List.of("conv.weight", "conv.bias"), 0));

        try (FusedOptimizer optimizer =
                FusedOptimizer.create(OptimizerSpec.adam(), groups, block.state())) {
            assertThat(optimizer.state()).isEmpty();
            optimizer.step(new double[] {.1}, Double.NaN);

            assertThat(optimizer.state().keySet())
                    .containsExactly(
                            "conv.weight/exp_avg",
                            "conv.weight/exp_avg_sq",
                            "conv.weight/step",
                            "conv.bias/exp_avg",
                            "conv.bias/exp_avg_sq",
                            "conv.bias/step");
            assertThat(optimizer.state().get("conv.bias/step").toFloatArray()).containsExactly(1);
            assertThat(Layouts.strides(optimizer.state().get("conv.weight/exp_avg")))
                    .isEqualTo(Layouts.strides(block.state().get("conv.weight").array()))
                    .isEqualTo(new long[] {12, 1, 6, 3});
        }
    }

    @Test
    void aShardKeepsTheGroupsButUpdatesItsOwnParametersOnly() {
        Map<String, NDArray> values = new LinkedHashMap<>();
        for (String name : List.of("a", "b", "c")) {
            values.put(name, manager.ones(new Shape(4)));
        }
        NamedParameters block = NamedParameters.of(manager, values);
        for (int i = 0; i < PARAMETERS; i++) {
            block.setGradient(i, new float[] {1, 1, 1, 1});
        }
        List<ParameterGroup> groups =
                List.of(
                        new ParameterGroup("first", List.of("a", "b"), 0),
                        new ParameterGroup("second", List.of("c"), .5));
        try (FusedOptimizer shard =
                FusedOptimizer.create(
                        OptimizerSpec.sgd().momentum(.9), groups, block.state(), "c"::equals)) {
            assertThat(shard.stateBytes()).isEqualTo(16);
            shard.step(new double[] {.25, .5}, Double.NaN);
            assertThat(shard.state()).containsOnlyKeys("c/momentum_buffer");
        }
        assertThat(block.state().get("a").array().toFloatArray()).containsOnly(1);
        assertThat(block.state().get("b").array().toFloatArray()).containsOnly(1);
        assertThat(block.state().get("c").array().toFloatArray()).containsOnly(.25f);
        assertThatThrownBy(
                        () ->
                                FusedOptimizer.create(
                                        OptimizerSpec.adamW(),
                                        groups.subList(1, 2),
                                        block.state(),
                                        "c"::equals))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "parameter 'a' is trainable but in no parameter group; add it to one, or"
                                + " freeze it");
    }

    @Test
    void refusesWhatDoesNotFit() {
        NamedParameters block = block(Map.of("a", ones()));
        List<ParameterGroup> groups = List.of(new ParameterGroup("all", List.of("a"), 0));
        try (FusedOptimizer optimizer =
                FusedOptimizer.create(OptimizerSpec.sgd(), groups, block.state())) {
            assertThatThrownBy(() -> optimizer.step(new double[] {.1, .2}, Double.NaN))
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "got 2 learning rates for 1 parameter groups; give one per group, in"
                                    + " their order");
            assertThatThrownBy(() -> optimizer.step(new double[] {Double.NaN}, Double.NaN))
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "learning rate of group 0 is NaN, must be 0 or a positive finite"
                                    + " number");
            assertThatThrownBy(() -> optimizer.step(new double[] {.1}, .9))
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "momentum 0.9 asked for at a step, but the optimizer was specified"
                                    + " without; specify the final one, as in"
                                    + " sgd().momentum(0.937)");
        }
    }

    private NamedParameters goldenStart() {
        Map<String, NDArray> values = new LinkedHashMap<>();
        for (int p = 0; p < PARAMETERS; p++) {
            values.put("param" + p, golden.array(manager, "param" + p));
        }
        return block(values);
    }

    private NamedParameters block(Map<String, NDArray> values) {
        return NamedParameters.of(manager, values);
    }

    private NDArray ones() {
        return manager.ones(new Shape(5));
    }

    private static List<ParameterGroup> oneGroup(double weightDecay) {
        return List.of(
                new ParameterGroup("all", List.of("param0", "param1", "param2"), weightDecay));
    }

    private static OptimizerSpec spec(String name) {
        JsonObject configuration = configurations.getAsJsonObject(name);
        if (name.equals("sgd_varying")) {
            return OptimizerSpec.sgd().momentum(.9).nesterov().weightDecay(5e-4);
        }
        JsonObject args = configuration.getAsJsonObject("args");
        assertThat(args.keySet())
                .isSubsetOf(
                        "lr", "momentum", "dampening", "nesterov", "weight_decay", "betas", "eps");
        if (configuration.get("class").getAsString().equals("SGD")) {
            SgdSpec sgd =
                    OptimizerSpec.sgd()
                            .momentum(number(args, "momentum", 0))
                            .dampening(number(args, "dampening", 0))
                            .weightDecay(number(args, "weight_decay", 0));
            return args.has("nesterov") ? sgd.nesterov() : sgd;
        }
        AdamSpec adam =
                configuration.get("class").getAsString().equals("Adam")
                        ? OptimizerSpec.adam()
                        : OptimizerSpec.adamW();
        if (args.has("betas")) {
            JsonArray betas = args.getAsJsonArray("betas");
            adam = adam.betas(betas.get(0).getAsDouble(), betas.get(1).getAsDouble());
        }
        return adam.eps(number(args, "eps", adam.eps()))
                .weightDecay(number(args, "weight_decay", adam.weightDecay()));
    }

    private static double learningRate(String name, int step) {
        return name.equals("sgd_varying")
                ? .1 / (step + 1)
                : configurations
                        .getAsJsonObject(name)
                        .getAsJsonObject("args")
                        .get("lr")
                        .getAsDouble();
    }

    private static double number(JsonObject args, String name, double otherwise) {
        return args.has(name) ? args.get(name).getAsDouble() : otherwise;
    }

    private static float[] slice(String name, int step) {
        float[] all = golden.floats(name);
        int size = all.length / STEPS;
        return Arrays.copyOfRange(all, step * size, (step + 1) * size);
    }
}
