package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Random;
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
    void makesRowsOrthonormal() {
        Random random = new Random(5);
        float[][] rows = new float[4][30];
        for (int i = 0; i < rows.length; i++) {
            for (int k = 0; k < rows[i].length; k++) {
                rows[i][k] = (float) (random.nextGaussian() * Math.pow(10, 3 * i - 4));
            }
        }
        NDArray flat = manager.zeros(new Shape(4 * 30));
        try (FlatMatrix matrix = FlatMatrix.of(flat, 0, 4, 30)) {
            matrix.setTo(rows);
            assertThat(flat.toFloatArray()).startsWith(rows[0]).endsWith(rows[3]);
            matrix.orthonormaliseRows(0, null);
        }
        float[] all = flat.toFloatArray();
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k <= i; k++) {
                double product = 0;
                for (int at = 0; at < 30; at++) {
                    product += (double) all[i * 30 + at] * all[k * 30 + at];
                }
                assertThat(product).isCloseTo(i == k ? 1 : 0, within(1e-6));
            }
        }
    }

    @Test
    void replacesRowsOfWhichNothingIsLeft() {
        NDArray flat = manager.create(new float[] {2, 0, 0, 0, 4, 0});
        NDArray spare = manager.create(new float[] {5, 5, 7, -1, 3, 3});
        try (FlatMatrix matrix = FlatMatrix.of(flat, 0, 3, 2);
                FlatMatrix replacement = FlatMatrix.of(spare, 0, 3, 2)) {
            matrix.orthonormaliseRows(0, replacement);
            // The third can't be anything but a sum of the two.
            assertThat(flat.toFloatArray()).containsExactly(1, 0, 0, -1, 0, 0);
        }
        NDArray zeros = manager.create(new float[] {0, 0, 3, 4});
        try (FlatMatrix matrix = FlatMatrix.of(zeros, 0, 2, 2)) {
            matrix.orthonormaliseRows(5, null);
            assertThat(zeros.toFloatArray()).containsExactly(0, 0, .3f, .4f);
        }
        NDArray bad = manager.create(new float[] {1, Float.NaN});
        try (FlatMatrix matrix = FlatMatrix.of(bad, 0, 1, 2)) {
            matrix.orthonormaliseRows(0, matrix);
            assertThat(bad.toFloatArray()).contains(Float.NaN);
        }
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
