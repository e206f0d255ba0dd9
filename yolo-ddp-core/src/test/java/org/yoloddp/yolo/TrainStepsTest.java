package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;
import org.yoloddp.torch.SafetensorsFile;
import org.yoloddp.torch.StateDict;

/** Whole training steps from the official weights. */
@Tag("torch")
class TrainStepsTest {

    @ParameterizedTest
    @ValueSource(strings = {"sgd", "adam", "adamw", "sgd_clip1", "sgd_accumulate2"})
    void stepsAreTheGoldenOnes(String name) {
        JsonObject golden = Golden.json(SharedFiles.require("golden/train_steps.json"));
        SafetensorsFile inputs =
                SafetensorsFile.read(SharedFiles.require("golden/forward.safetensors"));
        JsonObject run = golden.getAsJsonObject("runs").getAsJsonObject(name);
        JsonArray targetsA =
                Golden.json("loss.json").getAsJsonObject("targets").getAsJsonArray("A");
        JsonArray targetsD = golden.getAsJsonArray("targets_D");
        boolean sgd = name.startsWith("sgd");
        try (TestModel model = OfficialModelTest.official();
                TestModel average = OfficialModelTest.official();
                TrainingLoopDouble loop =
                        new TrainingLoopDouble(
                                model,
                                average,
                                320,
                                spec(run.get("opt").getAsString()),
                                run.get("lr").getAsDouble(),
                                run.get("clip").getAsDouble())) {
            NDArray imagesA = model.images(inputs, "images", 0, 2);
            NDArray imagesD = model.images(inputs, "images", 2, 4);
            NDArray labelsA = model.manager.create(Golden.floatRows(targetsA));
            NDArray labelsD = model.manager.create(Golden.floatRows(targetsD));
            JsonArray steps = run.getAsJsonArray("steps");
            for (int i = 0; i < steps.size(); i++) {
                JsonObject step = steps.get(i).getAsJsonObject();
                for (JsonElement element : step.getAsJsonArray("micro")) {
                    JsonObject micro = element.getAsJsonObject();
                    boolean a = micro.get("batch").getAsString().equals("A");
                    double total = loop.accumulate(a ? imagesA : imagesD, a ? labelsA : labelsD);
                    assertClose(
                            "total",
                            i,
                            total,
                            micro.get("total").getAsDouble(),
                            i == 0 ? 1e-6 : later(i, sgd));
                }
                double norm = loop.step();
                assertClose(
                        "norm",
                        i,
                        norm,
                        step.get("grad_norm").getAsDouble(),
                        i == 0 ? 2e-5 : later(i, sgd));
                double tolerance = sgd ? 1e-5 : 2e-4;
                assertSums(step.getAsJsonObject("state"), loop.state, i, tolerance);
                assertSums(step.getAsJsonObject("ema"), loop.averaged, i, tolerance);
            }
        }
    }

    private static double later(int step, boolean sgd) {
        return sgd ? step < 5 ? 1e-3 : 5e-3 : 2e-2;
    }

    private static OptimizerSpec spec(String name) {
        return switch (name) {
            case "SGD" -> OptimizerSpec.sgd().momentum(0.937).nesterov().weightDecay(0.0005);
            case "Adam" -> OptimizerSpec.adam().betas(0.937, 0.999).weightDecay(0.0005);
            default -> OptimizerSpec.adamW().betas(0.937, 0.999).weightDecay(0.0005);
        };
    }

    /** Sums of absolute values; plain sums cancel. */
    private static void assertSums(JsonObject golden, StateDict state, int step, double tolerance) {
        for (var entry : golden.entrySet()) {
            String name = entry.getKey();
            double[] actual =
                    name.equals("ALL")
                            ? TrainingLoopDouble.sums(state)
                            : TrainingLoopDouble.sums(List.of(state.get(name)));
            double expected = Golden.doubles(entry.getValue())[1];
            assertClose(name, step, actual[1], expected, tolerance);
        }
    }

    static void assertClose(
            String what, int step, double actual, double expected, double tolerance) {
        assertThat(actual)
                .as("%s of step %d", what, step + 1)
                .isCloseTo(expected, within(tolerance * Math.abs(expected)));
    }
}
