package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class TakenGradientsTest {

    private NDManager manager;
    private NDArray a;
    private NDArray b;

    @BeforeEach
    void create() {
        manager = NDManager.newBaseManager();
        a = manager.ones(new Shape(3));
        b = manager.ones(new Shape(2, 3, 4, 5));
        Layouts.toChannelsLast(b);
        a.setRequiresGradient(true);
        b.setRequiresGradient(true);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void listsMadeBeforeSeeTheGradientsOfEachStep() {
        try (TakenGradients gradients = TakenGradients.of(List.of(a, b));
                TensorList list = TensorList.ofGradients(List.of(a, b))) {
            assertThat(list.globalNorm()).isZero();
            for (int step = 1; step < 4; step++) {
                gradients.release();
                backward(step, a, b);
                assertThat(gradients.collect().cardinality()).isEqualTo(2);
                assertThat(list.globalNorm()).isEqualTo(step * Math.sqrt(123), within(1e-4));
            }
            // The control: what lists see is not what backward writes, until it is collected.
            gradients.release();
            backward(9, a, b);
            assertThat(list.globalNorm()).isZero();
        }
    }

    @Test
    void gradientsOfSeveralBackwardsAddUp() {
        try (TakenGradients gradients = TakenGradients.of(List.of(a, b))) {
            gradients.release();
            backward(1, a, b);
            backward(2, a);
            gradients.collect();
            assertThat(gradientOf(a).toFloatArray()).containsOnly(3);
            assertThat(gradientOf(b).toFloatArray()).containsOnly(1);
        }
    }

    @Test
    void aParameterThatBackwardHasLeftOutGetsZeros() {
        try (TakenGradients gradients = TakenGradients.of(List.of(a, b));
                TensorList list = TensorList.ofGradients(List.of(a, b))) {
            gradients.release();
            backward(5, a, b);
            gradients.collect();
            gradients.release();
            backward(2, a);
            assertThat(gradients.collect()).isEqualTo(BitSet.valueOf(new long[] {1}));
            assertThat(gradientOf(b).toFloatArray()).containsOnly(0);
            assertThat(list.globalNorm()).isEqualTo(2 * Math.sqrt(3), within(1e-6));
        }
    }

    @Test
    void gradientsHaveTheStridesOfTheirParameters() {
        try (TakenGradients gradients = TakenGradients.of(List.of(b))) {
            gradients.release();
            backward(2, b);
            gradients.collect();
            assertThat(Tensors.strides(Tensors.view(gradientOf(b))))
                    .isEqualTo(Tensors.strides(Tensors.view(b)));
        }
    }

    @Test
    void nothingIsLeftAfterwards() {
        TakenGradients gradients = TakenGradients.of(List.of(a));
        gradients.close();
        gradients.close();

        assertThat(GradientViews.gradient(a)).isNull();
    }

    private static NDArray gradientOf(NDArray parameter) {
        return GradientViews.gradient(parameter);
    }

    private void backward(double gradient, NDArray... parameters) {
        try (NDManager scope = manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            NDArray loss = scope.zeros(new Shape());
            for (NDArray parameter : parameters) {
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
