package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;

@Tag("torch")
class TensorListTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
    }

    /** The norm stays where it is computed; what comes out is the same. */
    @Test
    void clipsLikePyTorchWithoutALookAtTheNorm() {
        for (JsonElement element : Golden.json("optim.json").getAsJsonArray("clip_grad_norm")) {
            JsonObject example = element.getAsJsonObject();
            if (!example.get("norm_type").getAsString().startsWith("2")) {
                continue;
            }
            List<NDArray> arrays = new ArrayList<>();
            example.getAsJsonArray("grads").forEach(row -> arrays.add(array(row)));
            double max = example.get("max_norm").getAsDouble();
            try (TensorList list = TensorList.of(arrays);
                    LateNumbers norm = list.clipToNormLater(max)) {
                assertThat(norm.areOnHost()).isTrue();
                assertThat(norm.read(Duration.ofSeconds(1)))
                        .as(example.toString())
                        .containsExactly(
                                (float) Double.parseDouble(example.get("norm").getAsString()));
            }
            for (int i = 0; i < arrays.size(); i++) {
                float[] expected = array(example.getAsJsonArray("clipped").get(i)).toFloatArray();
                assertThat(arrays.get(i).toFloatArray())
                        .as(example.toString())
                        .usingComparatorWithPrecision(1e-6f)
                        .containsExactly(expected);
            }
        }
        NDArray only = manager.create(new float[] {3, 4});
        try (TensorList list = TensorList.of(List.of(only));
                LateNumbers norm = list.clipToNormLater(Double.POSITIVE_INFINITY)) {
            assertThat(norm.read(Duration.ofSeconds(1))).containsExactly(5);
            assertThat(only.toFloatArray()).containsExactly(3, 4);
        }
    }

    @Test
    void clipsLikePyTorchAlsoInfiniteAndNaNNorms() {
        for (JsonElement element : Golden.json("optim.json").getAsJsonArray("clip_grad_norm")) {
            JsonObject example = element.getAsJsonObject();
            List<NDArray> arrays = new ArrayList<>();
            example.getAsJsonArray("grads").forEach(row -> arrays.add(array(row)));
            double norm;
            try (TensorList list = TensorList.of(arrays)) {
                norm =
                        list.clipToNorm(
                                example.get("max_norm").getAsDouble(),
                                Double.parseDouble(example.get("norm_type").getAsString()));
            }
            double expectedNorm = Double.parseDouble(example.get("norm").getAsString());
            assertThat(Float.valueOf((float) norm))
                    .as(example.toString())
                    .isEqualTo(Float.valueOf((float) expectedNorm));
            for (int i = 0; i < arrays.size(); i++) {
                float[] expected = array(example.getAsJsonArray("clipped").get(i)).toFloatArray();
                assertThat(arrays.get(i).toFloatArray())
                        .as(example.toString())
                        .usingComparatorWithPrecision(1e-6f)
                        .containsExactly(expected);
            }
        }
    }

    @Test
    void averageFollowsLikeTheOriginal() {
        NDArray average = manager.create(new float[] {1, -2, 3});
        NDArray source = manager.create(new float[] {2, 2, 2});
        try (TensorList target = TensorList.of(List.of(average));
                TensorList from = TensorList.of(List.of(source))) {
            target.ema(from, 0.75);
        }
        assertThat(average.toFloatArray()).containsExactly(1.25f, -1f, 2.75f);
    }

    @Test
    void worksOnTheArraysMemory() {
        NDArray a = manager.ones(new Shape(2, 2));
        NDArray b = manager.ones(new Shape(3));
        try (TensorList list = TensorList.of(List.of(a, b))) {
            list.scale(3);
            assertThat(a.getFloat(1, 1)).isEqualTo(3f);
            assertThat(list.globalNorm()).isEqualTo(Math.sqrt(63), within(1e-5));
            list.add(list, 1);
            assertThat(b.toFloatArray()).containsExactly(6f, 6f, 6f);
            list.zero();
            assertThat(b.toFloatArray()).containsExactly(0f, 0f, 0f);
        }
    }

    @Test
    void parametersThatRequireAGradientAreChangedInPlace() {
        NDArray parameter = manager.ones(new Shape(4));
        parameter.setRequiresGradient(true);
        try (GradMode on = GradMode.enabled();
                TensorList list = TensorList.of(List.of(parameter))) {
            list.scale(2);
            Autograd.backward(parameter.square().sum());
            assertThat(parameter.getGradient().getFloat(0)).isEqualTo(4f);
        }
    }

    @Test
    void emptyListHasNoNorm() {
        try (TensorList none = TensorList.of(List.of())) {
            assertThat(none.globalNorm()).isZero();
            assertThat(none.clipToNorm(1)).isZero();
            assertThat(none.size()).isZero();
            none.zero();
        }
    }

    @Test
    void listsOfDifferentSizesAreRefused() {
        try (TensorList one = TensorList.of(List.of(manager.ones(new Shape(2))));
                TensorList none = TensorList.of(List.of())) {
            assertThatThrownBy(() -> one.ema(none, 0.5))
                    .isInstanceOf(TorchException.class)
                    .hasMessage("the average has 1 tensors and the source has 0");
        }
    }

    @Test
    void parameterWithoutGradientIsNamed() {
        NDArray parameter = manager.ones(new Shape(2));
        parameter.setRequiresGradient(true);
        assertThatThrownBy(() -> TensorList.ofGradients(List.of(parameter)))
                .isInstanceOf(TorchException.class)
                .hasMessage("parameter 0 of the list, of shape (2), has no gradient");
    }

    private NDArray array(JsonElement row) {
        double[] values = Golden.doubles(row);
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return manager.create(floats);
    }
}
