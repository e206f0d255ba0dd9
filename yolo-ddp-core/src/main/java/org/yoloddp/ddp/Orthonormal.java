package org.yoloddp.ddp;

/**
 * Makes vectors orthonormal, by Gram-Schmidt in double precision and twice, which is as good as a
 * QR factorisation. Plain arithmetic in one order, so equal vectors give equal bits on any rank.
 */
final class Orthonormal {

    private Orthonormal() {}

    /** Replaces a vector of zeros. */
    @FunctionalInterface
    interface Replacement {
        /** Fills the vector of the index; it may stay zero. */
        void fill(int index, float[] vector);
    }

    /**
     * Works in place.
     *
     * @param vectors one after the other
     * @param length of a vector
     * @param epsilon added to the length of a vector before it is divided by it
     * @param replacement of a vector that is zero, or of which the others leave nothing; if that is
     *     zero too, the vector stays so
     */
    static void apply(float[][] vectors, double epsilon, Replacement replacement) {
        for (int i = 0; i < vectors.length; i++) {
            if (!normalise(vectors, i, epsilon)) {
                replacement.fill(i, vectors[i]);
                normalise(vectors, i, epsilon);
            }
        }
    }

    /** Returns false if nothing is left of the vector, which is zero then. */
    private static boolean normalise(float[][] vectors, int index, double epsilon) {
        float[] vector = vectors[index];
        double[] exact = new double[vector.length];
        for (int i = 0; i < exact.length; i++) {
            exact[i] = vector[i];
        }
        double before = norm(exact);
        for (int pass = 0; pass < 2; pass++) {
            for (int other = 0; other < index; other++) {
                remove(vectors[other], exact);
            }
        }
        double norm = norm(exact);
        // NaN counts as something: it must reach the gradients, so that the step is skipped.
        boolean nothing = norm <= before * Float.MIN_NORMAL;
        for (int i = 0; i < exact.length; i++) {
            vector[i] = nothing ? 0 : (float) (exact[i] / (norm + epsilon));
        }
        return !nothing;
    }

    private static void remove(float[] unit, double[] from) {
        double share = 0;
        for (int i = 0; i < from.length; i++) {
            share += unit[i] * from[i];
        }
        for (int i = 0; i < from.length; i++) {
            from[i] -= share * unit[i];
        }
    }

    private static double norm(double[] vector) {
        double sum = 0;
        for (double value : vector) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }
}
