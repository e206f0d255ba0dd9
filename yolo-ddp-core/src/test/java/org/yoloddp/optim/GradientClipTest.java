package org.yoloddp.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.TorchRuntime;

/** Against what PyTorch's clip_grad_norm_ makes of the same gradients. */
@Tag("torch")
class GradientClipTest {

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

    static Stream<JsonObject> euclidean() {
        return Golden.json("optim.json").getAsJsonArray("clip_grad_norm").asList().stream()
                .map(JsonElement::getAsJsonObject)
                .filter(example -> example.get("norm_type").getAsString().equals("2.0"));
    }

    @ParameterizedTest
    @MethodSource("euclidean")
    void givesNormAndGradientsOfPyTorch(JsonObject example) {
        JsonArray gradients = example.getAsJsonArray("grads");
        NamedParameters block = block(gradients);

        double norm;
        try (GradientClip clip =
                GradientClip.create(block.state(), example.get("max_norm").getAsDouble())) {
            norm = clip.apply();
        }
        assertThat((Float) (float) norm)
                .isEqualTo(Float.valueOf(example.get("norm").getAsString()));
        for (int p = 0; p < gradients.size(); p++) {
            double[] expected =
                    Golden.doubles(example.getAsJsonArray("clipped").get(p).getAsJsonArray());
            float[] actual = gradient(block, p);
            for (int i = 0; i < expected.length; i++) {
                assertThat((Float) actual[i]).isEqualTo((Float) (float) expected[i]);
            }
        }
    }

    @Test
    void anInfiniteLimitOnlyMeasures() {
        NamedParameters block =
                block(
                        Golden.json("optim.json")
                                .getAsJsonArray("clip_grad_norm")
                                .get(0)
                                .getAsJsonObject()
                                .getAsJsonArray("grads"));

        try (GradientClip clip = GradientClip.create(block.state(), Double.POSITIVE_INFINITY)) {
            assertThat(clip.apply()).isEqualTo(13);
        }
        assertThat(gradient(block, 0)).containsExactly(3, 4);
    }

    @Test
    void refusesALimitThatIsNone() {
        NamedParameters block =
                NamedParameters.of(manager, Map.of("a", manager.ones(new Shape(1))));

        assertThatThrownBy(() -> GradientClip.create(block.state(), Double.NaN))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("maxNorm is NaN, must be 0 or more, infinite for no limit");
    }

    private NamedParameters block(JsonArray gradients) {
        Map<String, NDArray> values = new LinkedHashMap<>();
        for (int p = 0; p < gradients.size(); p++) {
            long size = gradients.get(p).getAsJsonArray().size();
            values.put("p" + p, manager.ones(new Shape(size)));
        }
        NamedParameters block = NamedParameters.of(manager, values);
        for (int p = 0; p < gradients.size(); p++) {
            double[] numbers = Golden.doubles(gradients.get(p));
            float[] floats = new float[numbers.length];
            for (int i = 0; i < floats.length; i++) {
                floats[i] = (float) numbers[i];
            }
            block.setGradient(p, floats);
        }
        return block;
    }

    private static float[] gradient(NamedParameters block, int parameter) {
        return GradientViews.gradient(block.state().entries().get(parameter).array())
                .toFloatArray();
    }
}
