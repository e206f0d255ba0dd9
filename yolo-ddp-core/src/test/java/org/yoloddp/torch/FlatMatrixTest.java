package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Matrices and parameters that live in flat arrays. */
@Tag("torch")
class FlatMatrixTest {

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

    @Test
    void multipliesInPlace() {
        // 1 2 3    7 8      and room for a product
        // 4 5 6    9 10
        //          11 12
        NDArray flat = manager.arange(1f, 13f).concat(manager.zeros(new Shape(9)));
        try (FlatMatrix a = FlatMatrix.of(flat, 0, 2, 3);
                FlatMatrix b = FlatMatrix.of(flat, 6, 3, 2);
                FlatMatrix small = FlatMatrix.of(flat, 12, 2, 2);
                FlatMatrix large = FlatMatrix.of(flat, 12, 3, 3)) {
            small.setToProduct(a, b);
            assertThat(last(flat, 4)).containsExactly(58, 64, 139, 154);
            small.setToProductWithTransposed(a, a);
            assertThat(last(flat, 4)).containsExactly(14, 32, 32, 77);
            large.setToTransposedProduct(a, a);
            assertThat(last(flat, 9)).containsExactly(17, 22, 27, 22, 29, 36, 27, 36, 45);
            assertThatThrownBy(() -> small.setToProduct(a, a))
                    .isInstanceOf(TorchException.class)
                    .hasMessage(
                            "matrices of shapes [2, 3] and [2, 3] have no product of shape [2, 2]");
        }
    }

    private static float[] last(NDArray flat, int count) {
        return flat.get("12:{}", 12 + count).toFloatArray();
    }

    @Test
    void refusesAMatrixThatDoesNotFit() {
        NDArray flat = manager.zeros(new Shape(10));
        assertThatThrownBy(() -> FlatMatrix.of(flat, 2, 3, 3))
                .isInstanceOf(TorchException.class)
                .hasMessage(
                        "a matrix of 3 x 3 at offset 2 does not fit into a flat array of 10"
                                + " elements");
    }

    @Test
    void aParameterMovesWithItsElementsStridesAndGradient() {
        NDArray flat = manager.zeros(new Shape(64));
        NDArray parameter =
                Layouts.toChannelsLast(manager.arange(24f).reshape(1, 2, 3, 4).duplicate());
        parameter.setRequiresGradient(true);
        long[] strides = Layouts.strides(parameter);
        float[] elements = parameter.toFloatArray();
        try (GradMode on = GradMode.enabled();
                TensorList list = TensorList.of(List.of(parameter))) {
            DataViews.bind(parameter, flat, 16);
            assertThat(ForeignMemory.address(parameter))
                    .isEqualTo(ForeignMemory.address(flat) + 16 * 4);
            assertThat(Layouts.strides(parameter)).isEqualTo(strides);
            assertThat(parameter.toFloatArray()).isEqualTo(elements);

            // What changes in the flat array changes in the parameter, and in lists that hold it.
            flat.addi(1);
            assertThat(parameter.toFloatArray()[5]).isEqualTo(elements[5] + 1);
            list.scale(2);
            assertThat(flat.toFloatArray()[16]).isEqualTo(2 * (elements[0] + 1));
            Autograd.backward(parameter.square().sum());
            try (NDArray gradient = GradientViews.gradient(parameter)) {
                assertThat(gradient.toFloatArray()).isEqualTo(parameter.mul(2).toFloatArray());
            }

            float[] now = parameter.toFloatArray();
            DataViews.unbind(parameter);
            flat.addi(5);
            assertThat(parameter.toFloatArray()).isEqualTo(now);
            assertThat(Layouts.strides(parameter)).isEqualTo(strides);
        }
        assertThatThrownBy(() -> DataViews.bind(parameter, flat, 50))
                .isInstanceOf(TorchException.class)
                .hasMessage(
                        "a parameter of shape (1, 2, 3, 4) at offset 50 does not fit into a flat"
                                + " array of 64 elements");
    }
}
