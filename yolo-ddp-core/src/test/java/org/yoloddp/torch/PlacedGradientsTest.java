package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class PlacedGradientsTest {

    private static final int SIZE = 120;

    private NDManager manager;
    private List<NDArray> parameters;
    private NDArray flat;
    private PlacedGradients placed;
    private GradientHooks hooks;

    @BeforeEach
    void create() {
        manager = NDManager.newBaseManager();
        parameters = new ArrayList<>();
        flat = manager.zeros(new Shape(3 * SIZE));
        for (int i = 0; i < 3; i++) {
            NDArray parameter = manager.ones(new Shape(2, 3, 4, 5));
            Layouts.toChannelsLast(parameter);
            parameter.setRequiresGradient(true);
            GradientViews.bind(parameter, flat, i * (long) SIZE);
            parameters.add(parameter);
        }
        placed = PlacedGradients.of(parameters);
        hooks = GradientHooks.registerWithGradients(parameters, placed::computed);
    }

    @AfterEach
    void close() {
        assertThat(hooks.failure()).isNull();
        hooks.close();
        placed.close();
        manager.close();
    }

    @Test
    void theFirstGradientOfAStepReplacesWhatIsInItsPlace() {
        for (int step = 1; step < 4; step++) {
            placed.release();
            assertThat(GradientViews.gradient(parameters.get(0))).isNull();
            backward(step, 0, 1, 2);
            assertThat(placed.end()).isEqualTo(new BitSet());
            assertPlaces(step, step, step);
        }
        // The control: what is not released is added to.
        backward(9, 0, 1, 2);
        assertThat(placed.end()).isEqualTo(new BitSet());
        assertPlaces(12, 12, 12);
    }

    @Test
    void laterGradientsOfAStepAreAddedWhateverTheirOrder() {
        placed.release();
        backward(1, 0, 1, 2);
        backward(2, 2, 0, 1);
        backward(4, 1);
        backward(8, 1, 0);
        placed.end();
        assertPlaces(11, 15, 3);
    }

    @Test
    void onlyTheSameParameterAgainAndAgain() {
        placed.release();
        backward(1, 1);
        backward(2, 1);
        backward(4, 1);
        BitSet left = placed.end();
        assertThat(left).isEqualTo(BitSet.valueOf(new long[] {0b101}));
        assertPlaces(0, 7, 0);
    }

    @Test
    void whatHasNotBeenComputedIsToldAndKeepsTheStepBeforeUntilItIsZeroed() {
        placed.release();
        backward(5, 0, 1, 2);
        placed.end();
        placed.release();
        backward(3, 1);
        BitSet left = placed.end();
        assertPlaces(5, 3, 5);
        placed.zero(left);
        assertPlaces(0, 3, 0);
    }

    @Test
    void aParameterIsCompleteInItsPlaceBeforeItsGradientIsAdded() {
        hooks.close();
        List<Float> seen = new ArrayList<>();
        hooks =
                GradientHooks.registerWithGradients(
                        parameters,
                        (i, gradient) -> {
                            placed.computed(i, gradient);
                            seen.add(flat.getFloat(i * (long) SIZE));
                        });
        placed.release();
        backward(3, 0, 1, 2);
        placed.end();
        assertThat(seen).containsExactly(3f, 3f, 3f);
    }

    @Test
    void gradientsStayTheSameTensorsForListsMadeBefore() {
        try (TensorList list = TensorList.ofGradients(parameters)) {
            placed.release();
            backward(2, 0, 1, 2);
            placed.end();
            list.zero();
            assertPlaces(0, 0, 0);
            try (NDArray gradient = GradientViews.gradient(manager, parameters.get(1))) {
                gradient.addi(1);
                assertThat(Tensors.strides(Tensors.view(gradient)))
                        .isEqualTo(Tensors.strides(Tensors.view(parameters.get(1))));
            }
            assertPlaces(0, 1, 0);
        }
    }

    @Test
    void aStepKeepsNoNativeMemory() {
        step(20);
        System.gc();
        long objects = Pointer.totalCount();
        long bytes = Pointer.totalBytes();
        step(500);
        System.gc();
        assertThat(Pointer.totalCount() - objects).isLessThan(300);
        assertThat(Pointer.totalBytes() - bytes).isLessThan(100_000);
    }

    private void step(int times) {
        for (int i = 0; i < times; i++) {
            placed.release();
            backward(1, 0, 1, 2);
            placed.end();
        }
    }

    private void assertPlaces(float... values) {
        for (int i = 0; i < values.length; i++) {
            float[] place = flat.get(i * SIZE + ":" + (i + 1) * SIZE).toFloatArray();
            assertThat(place).containsOnly(values[i]);
            try (NDArray gradient = GradientViews.gradient(manager, parameters.get(i))) {
                assertThat(gradient.toFloatArray()).containsOnly(values[i]);
            }
        }
    }

    /** What is named first is computed last. */
    private void backward(double gradient, int... indices) {
        try (NDManager scope = manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            NDArray loss = scope.zeros(new Shape());
            for (int i : indices) {
                NDArray parameter = parameters.get(i);
                loss =
                        loss.add(
                                scope.full(parameter.getShape(), (float) gradient)
                                        .mul(parameter)
                                        .sum());
            }
            Autograd.backward(loss);
        }
    }
}
