package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

class OrthonormalTest {

    private static final Orthonormal.Replacement NONE = (index, vector) -> {};

    @Test
    void vectorsOfAnySizeBecomeOrthonormal() {
        Random random = new Random(3);
        float[][] vectors = new float[5][40];
        for (int i = 0; i < vectors.length; i++) {
            for (int k = 0; k < vectors[i].length; k++) {
                vectors[i][k] = (float) (random.nextGaussian() * Math.pow(10, 3 * i - 6));
            }
        }
        Orthonormal.apply(vectors, 0, NONE);
        for (int i = 0; i < vectors.length; i++) {
            for (int k = 0; k <= i; k++) {
                assertThat(product(vectors[i], vectors[k])).isCloseTo(i == k ? 1 : 0, within(1e-6));
            }
        }
    }

    @Test
    void nearlyDependentVectorsDoToo() {
        float[][] vectors = {{1, 1, 1, 1}, {1, 1, 1, 1.00001f}, {1, 1, 1.00001f, 1}};
        Orthonormal.apply(vectors, 0, NONE);
        assertThat(product(vectors[0], vectors[1])).isCloseTo(0, within(1e-6));
        assertThat(product(vectors[0], vectors[2])).isCloseTo(0, within(1e-6));
        assertThat(product(vectors[1], vectors[2])).isCloseTo(0, within(1e-6));
        assertThat(product(vectors[2], vectors[2])).isCloseTo(1, within(1e-6));
    }

    @Test
    void keepsTheFirstDirectionAndAddsEpsilonToTheLength() {
        float[][] vectors = {{3, 4}};
        Orthonormal.apply(vectors, 5, NONE);
        assertThat(vectors[0]).containsExactly(.3f, .4f);
    }

    @Test
    void aVectorOfZerosIsReplacedIfThereIsAReplacement() {
        float[][] vectors = {{2, 0}, {0, 0}};
        Orthonormal.apply(
                vectors,
                0,
                (index, vector) -> {
                    vector[0] = 7;
                    vector[1] = -index;
                });
        assertThat(vectors[0]).containsExactly(1, 0);
        assertThat(vectors[1]).containsExactly(0, -1);

        float[][] zeros = {{0, 0}};
        Orthonormal.apply(zeros, 0, NONE);
        assertThat(zeros[0]).containsExactly(0, 0);
    }

    @Test
    void whatIsNotFiniteStaysSo() {
        float[][] vectors = {{1, Float.NaN}, {Float.POSITIVE_INFINITY, 1}};
        Orthonormal.apply(vectors, 0, (index, vector) -> vector[0] = 1);
        assertThat(vectors[0]).contains(Float.NaN);
        assertThat(vectors[1]).contains(Float.NaN);
    }

    private static double product(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }
}
