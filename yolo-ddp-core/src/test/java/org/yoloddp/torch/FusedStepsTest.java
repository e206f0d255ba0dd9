package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.testing.Golden;

/** Holds the fused steps to ten steps of PyTorch's optimizers on three parameters. */
@Tag("torch")
class FusedStepsTest {

    private static final int STEPS = 10;
    private static final double TOLERANCE = 5e-6;

    private static JsonObject golden;
    private static SafetensorsFile tensors;

    @BeforeAll
    static void readGolden() throws IOException {
        TorchRuntime.start();
        golden = Golden.json("optim.json");
        try (InputStream in = Golden.stream("optim.safetensors")) {
            tensors = SafetensorsFile.read(in);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sgd",
                "sgd_wd",
                "sgd_momentum",
                "sgd_momentum_wd",
                "sgd_dampening",
                "sgd_nesterov",
                "sgd_nesterov_wd",
                "adam",
                "adam_wd",
                "adamw",
                "adamw_wd",
                "adamw_eps"
            })
    void stepsAreThoseOfPyTorch(String config) {
        assertThat(largestError(config, 1)).isLessThan(TOLERANCE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sgd_nesterov", "adamw"})
    void anotherLearningRateMissesByFar(String config) {
        assertThat(largestError(config, 1.01)).isGreaterThan(20 * TOLERANCE);
    }

    @Test
    void parameterWithoutGradientIsLeftOut() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            State state = new State(manager);
            boolean[] begun = new boolean[3];
            for (int step = 0; step < STEPS; step++) {
                state.setGradients(step);
                double rate = 0.1 / (step + 1);
                double momentum = 0.8 + 0.01 * step;
                List<Integer> beginning = new ArrayList<>();
                List<Integer> continuing = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    if (i != 1 || step != 0 && step != 4) {
                        (begun[i] ? continuing : beginning).add(i);
                        begun[i] = true;
                    }
                }
                for (List<Integer> subset : List.of(beginning, continuing)) {
                    try (TensorList p = state.list(state.parameters, subset);
                            TensorList g = state.list(state.gradients, subset);
                            TensorList m = state.list(state.first, subset)) {
                        boolean first = subset == beginning;
                        FusedSteps.sgd(p, g, m, rate, momentum, 0, 5e-4, true, first);
                    }
                }
                assertThat(state.error("sgd_varying", step)).isLessThan(TOLERANCE);
            }
        }
    }

    @Test
    void channelsLastParametersStepLikeContiguousOnes() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray flat = manager.arange(72f).reshape(2, 4, 3, 3);
            NDArray gradient = flat.mul(0.01f);
            NDArray plain = flat.duplicate();
            NDArray ordered = Layouts.toChannelsLast(flat.duplicate());
            NDArray orderedGradient = Layouts.toChannelsLast(gradient.duplicate());
            NDArray buffer = plain.zerosLike();
            NDArray orderedBuffer = Layouts.toChannelsLast(plain.zerosLike());
            for (int i = 0; i < 3; i++) {
                step(plain, gradient, buffer, i == 0);
                step(ordered, orderedGradient, orderedBuffer, i == 0);
            }
            assertThat(ordered.toFloatArray()).isEqualTo(plain.toFloatArray());
            assertThat(Layouts.isChannelsLast(ordered)).isTrue();
        }
    }

    @Test
    void listsOfDifferentSizesAreRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                TensorList one = TensorList.of(List.of(manager.ones(new Shape(2))));
                TensorList none = TensorList.of(List.of())) {
            assertThatThrownBy(() -> FusedSteps.sgd(one, none, none, 0.1, 0, 0, 0, false, true))
                    .isInstanceOf(TorchException.class)
                    .hasMessage("parameters has 1 tensors and gradients has 0");
            FusedSteps.sgd(none, none, none, 0.1, 0.9, 0, 0, false, true);
        }
    }

    private static void step(NDArray parameter, NDArray gradient, NDArray buffer, boolean first) {
        try (TensorList p = TensorList.of(List.of(parameter));
                TensorList g = TensorList.of(List.of(gradient));
                TensorList m = TensorList.of(List.of(buffer))) {
            FusedSteps.sgd(p, g, m, 0.1, 0.9, 0, 0.01, true, first);
        }
    }

    private static double largestError(String config, double rateFactor) {
        JsonObject args =
                golden.getAsJsonObject("optimizers")
                        .getAsJsonObject(config)
                        .getAsJsonObject("args");
        double rate = args.get("lr").getAsDouble() * rateFactor;
        double momentum = number(args, "momentum", 0);
        boolean adam = config.startsWith("adam");
        double decay = number(args, "weight_decay", config.startsWith("adamw") ? 0.01 : 0);
        double[] betas = args.has("betas") ? Golden.doubles(args.get("betas")) : null;
        double beta1 = betas == null ? 0.9 : betas[0];
        double beta2 = betas == null ? 0.999 : betas[1];
        double eps = number(args, "eps", 1e-8);
        double worst = 0;
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            State state = new State(manager);
            List<Integer> all = List.of(0, 1, 2);
            try (TensorList p = state.list(state.parameters, all);
                    TensorList g = state.list(state.gradients, all);
                    TensorList m = state.list(state.first, all);
                    TensorList v = state.list(state.second, all);
                    TensorList counts = state.list(state.steps, all)) {
                for (int step = 0; step < STEPS; step++) {
                    state.setGradients(step);
                    if (!adam) {
                        FusedSteps.sgd(
                                p,
                                g,
                                m,
                                rate,
                                momentum,
                                number(args, "dampening", 0),
                                decay,
                                args.has("nesterov"),
                                step == 0);
                    } else if (config.startsWith("adamw")) {
                        FusedSteps.adamW(p, g, m, v, counts, rate, beta1, beta2, eps, decay);
                    } else {
                        FusedSteps.adam(p, g, m, v, counts, rate, beta1, beta2, eps, decay);
                    }
                    worst = Math.max(worst, state.error(config, step));
                }
            }
        }
        return worst;
    }

    private static double number(JsonObject args, String name, double otherwise) {
        JsonElement value = args.get(name);
        return value == null ? otherwise : value.getAsDouble();
    }

    /** Three parameters and what belongs to them. */
    private static final class State {
        final List<NDArray> parameters = new ArrayList<>();
        final List<NDArray> gradients = new ArrayList<>();
        final List<NDArray> first = new ArrayList<>();
        final List<NDArray> second = new ArrayList<>();
        final List<NDArray> steps = new ArrayList<>();

        State(NDManager manager) {
            for (int i = 0; i < 3; i++) {
                NDArray parameter = tensors.array(manager, "param" + i);
                parameters.add(parameter);
                gradients.add(parameter.zerosLike());
                first.add(parameter.zerosLike());
                second.add(parameter.zerosLike());
                steps.add(manager.zeros(new Shape()));
            }
        }

        TensorList list(List<NDArray> arrays, List<Integer> subset) {
            return TensorList.of(subset.stream().map(arrays::get).toList());
        }

        void setGradients(int step) {
            for (int i = 0; i < 3; i++) {
                NDArray parameter = parameters.get(i);
                float[] row = row("grad" + i, step, (int) parameter.size());
                try (NDArray from = parameter.getManager().create(row, parameter.getShape());
                        TensorList to = TensorList.of(List.of(gradients.get(i)));
                        TensorList values = TensorList.of(List.of(from))) {
                    to.copyFrom(values);
                }
            }
        }

        double error(String config, int step) {
            double worst = 0;
            for (int i = 0; i < 3; i++) {
                float[] expected = row(config + "/param" + i, step, (int) parameters.get(i).size());
                float[] actual = parameters.get(i).toFloatArray();
                worst =
                        Math.max(
                                worst,
                                IntStream.range(0, actual.length)
                                        .mapToDouble(k -> Math.abs(actual[k] - expected[k]))
                                        .max()
                                        .orElseThrow());
            }
            return worst;
        }

        private static float[] row(String name, int step, int size) {
            return Arrays.copyOfRange(tensors.floats(name), step * size, (step + 1) * size);
        }
    }

    @Test
    void firstStepOfAdamMovesByTheLearningRate() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray p = manager.ones(new Shape(3));
            List<NDArray> zeros = List.of(p.zerosLike(), p.zerosLike(), manager.zeros(new Shape()));
            try (TensorList parameters = TensorList.of(List.of(p));
                    TensorList g = TensorList.of(List.of(manager.full(new Shape(3), 7f)));
                    TensorList m = TensorList.of(zeros.subList(0, 1));
                    TensorList v = TensorList.of(zeros.subList(1, 2));
                    TensorList n = TensorList.of(zeros.subList(2, 3))) {
                FusedSteps.adam(parameters, g, m, v, n, 0.25, 0.9, 0.999, 1e-8, 0);
            }
            assertThat(p.getFloat(0)).isCloseTo(0.75f, within(1e-6f));
            assertThat(zeros.get(2).getFloat()).isEqualTo(1f);
        }
    }
}
