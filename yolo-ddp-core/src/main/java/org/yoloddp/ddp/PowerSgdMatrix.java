package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import java.nio.FloatBuffer;
import org.yoloddp.ddp.GradientBucket.Slot;
import org.yoloddp.torch.FlatMatrix;

/**
 * A gradient that is approximated: a matrix of as many rows as its first axis is long, in the order
 * of its memory, in which the first axis is the outermost for channels_last too.
 */
final class PowerSgdMatrix implements AutoCloseable {

    /** What a gradient takes to send. */
    record Size(int rank, long rows, long columns) {

        /** The rank is 0 where an approximation does not gain enough. */
        static Size of(PowerSgd options, Slot slot) {
            long rows = slot.shape().dimension() == 0 ? 1 : Math.max(1, slot.shape().get(0));
            long columns = slot.count() / rows;
            return new Size(options.rankFor(rows, columns), rows, columns);
        }

        long pCount() {
            return rank * rows;
        }

        long qCount() {
            return rank * columns;
        }
    }

    /** A flat array, and where this matrix's vectors begin in it. */
    record Place(NDArray flat, FloatBuffer elements, long offset) {}

    private final PowerSgd options;
    private final String parameter;
    private final RandomMatrices random;
    private final Place pPlace;
    private final Place qPlace;
    private final FlatMatrix gradient;
    private final FlatMatrix p;
    private final FlatMatrix q;

    /** The vectors of P. */
    private final float[][] left;

    /** The vectors of Q as the step begins with them, orthonormal. */
    private final float[][] right;

    private boolean drawn;

    PowerSgdMatrix(
            PowerSgd options,
            Slot slot,
            Size size,
            NDArray bucket,
            Place pPlace,
            Place qPlace,
            RandomMatrices random) {
        this.options = options;
        this.random = random;
        this.pPlace = pPlace;
        this.qPlace = qPlace;
        parameter = slot.parameter();
        left = new float[size.rank()][Math.toIntExact(size.rows())];
        right = new float[size.rank()][Math.toIntExact(size.columns())];
        gradient = FlatMatrix.of(bucket, slot.offset(), size.rows(), size.columns());
        p = FlatMatrix.of(pPlace.flat(), pPlace.offset(), size.rank(), size.rows());
        q = FlatMatrix.of(qPlace.flat(), qPlace.offset(), size.rank(), size.columns());
    }

    /**
     * Computes this rank's P.
     *
     * @param step draws the random numbers
     * @param further whether the second buffer holds the last step's Q, to go on with
     */
    void computeP(long step, boolean further) {
        if (!options.warmStart() || !drawn) {
            for (int i = 0; i < right.length; i++) {
                random.draw(parameter, step, i, right[i]);
            }
            drawn = true;
            orthonormaliseQ(step);
        } else if (further) {
            read(qPlace, right);
            orthonormaliseQ(step);
        }
        write(right, qPlace);
        p.setToProductWithTransposed(q, gradient);
    }

    /** A gradient that was 0 leaves a Q of zeros, which would keep all later ones at 0. */
    private void orthonormaliseQ(long step) {
        Orthonormal.apply(
                right,
                options.orthogonalizationEpsilon(),
                (i, vector) -> random.draw(parameter, step, i, vector));
    }

    /** Computes this rank's Q from the average of P. */
    void computeQ() {
        read(pPlace, left);
        Orthonormal.apply(left, options.orthogonalizationEpsilon(), (i, vector) -> {});
        write(left, pPlace);
        q.setToProduct(p, gradient);
    }

    /** Puts the approximation in place of the gradient. */
    void restore() {
        gradient.setToTransposedProduct(p, q);
    }

    private static void read(Place place, float[][] vectors) {
        int at = Math.toIntExact(place.offset());
        for (float[] vector : vectors) {
            place.elements().get(at, vector);
            at += vector.length;
        }
    }

    private static void write(float[][] vectors, Place place) {
        int at = Math.toIntExact(place.offset());
        for (float[] vector : vectors) {
            place.elements().put(at, vector);
            at += vector.length;
        }
    }

    @Override
    public void close() {
        gradient.close();
        p.close();
        q.close();
    }
}
