package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
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

    /**
     * A flat array, and where this matrix's vectors begin in it.
     *
     * @param elements null if they are a device's and can't be seen
     */
    record Place(NDArray flat, @Nullable FloatBuffer elements, long offset) {}

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

    /** Of a device: what {@link #right} is, and what may replace vectors of zeros; else null. */
    private final @Nullable FlatMatrix begun;

    private final @Nullable FlatMatrix spare;
    private boolean drawn;

    PowerSgdMatrix(
            PowerSgd options,
            Slot slot,
            Size size,
            NDArray bucket,
            Place pPlace,
            Place qPlace,
            RandomMatrices random,
            NDManager manager) {
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
        boolean seen = qPlace.elements() != null;
        begun = seen ? null : matrix(size, manager);
        spare = seen ? null : matrix(size, manager);
    }

    private static FlatMatrix matrix(Size size, NDManager manager) {
        NDArray memory = manager.zeros(new Shape(size.qCount()));
        return FlatMatrix.of(memory, 0, size.rank(), size.columns());
    }

    /**
     * Computes this rank's P.
     *
     * @param step draws the random numbers
     * @param further whether the second buffer holds the last step's Q, to go on with
     */
    void computeP(long step, boolean further) {
        if (begun != null && spare != null) {
            beginOnDevice(begun, spare, step, further);
        } else {
            begin(step, further);
        }
        p.setToProductWithTransposed(q, gradient);
    }

    /**
     * The same by tensors, so that the host need not wait for them: Q goes on from where it lies,
     * and what replaces a vector of zeros is drawn once.
     */
    private void beginOnDevice(FlatMatrix start, FlatMatrix drawnOnce, long step, boolean further) {
        if (!options.warmStart() || !drawn) {
            draw(step);
            start.setTo(right);
            drawnOnce.setTo(right);
            drawn = true;
        } else if (further) {
            q.orthonormaliseRows(options.orthogonalizationEpsilon(), drawnOnce);
            start.setTo(q);
        }
        q.setTo(start);
    }

    private void draw(long step) {
        for (int i = 0; i < right.length; i++) {
            random.draw(parameter, step, i, right[i]);
        }
        orthonormaliseQ(step);
    }

    private void begin(long step, boolean further) {
        if (!options.warmStart() || !drawn) {
            draw(step);
            drawn = true;
        } else if (further) {
            read(qPlace, right);
            orthonormaliseQ(step);
        }
        write(right, qPlace);
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
        if (begun != null) {
            p.orthonormaliseRows(options.orthogonalizationEpsilon(), null);
        } else {
            read(pPlace, left);
            Orthonormal.apply(left, options.orthogonalizationEpsilon(), (i, vector) -> {});
            write(left, pPlace);
        }
        q.setToProduct(p, gradient);
    }

    /** Puts the approximation in place of the gradient. */
    void restore() {
        gradient.setToTransposedProduct(p, q);
    }

    private static void read(Place place, float[][] vectors) {
        FloatBuffer elements = Objects.requireNonNull(place.elements());
        int at = Math.toIntExact(place.offset());
        for (float[] vector : vectors) {
            elements.get(at, vector);
            at += vector.length;
        }
    }

    private static void write(float[][] vectors, Place place) {
        FloatBuffer elements = Objects.requireNonNull(place.elements());
        int at = Math.toIntExact(place.offset());
        for (float[] vector : vectors) {
            elements.put(at, vector);
            at += vector.length;
        }
    }

    @Override
    public void close() {
        gradient.close();
        p.close();
        q.close();
        if (begun != null && spare != null) {
            begun.close();
            spare.close();
        }
    }
}
