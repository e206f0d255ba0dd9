package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * A matrix that lies in a flat array, and products of such matrices that allocate nothing.
 *
 * <p>It holds the memory's tensor, not the {@code NDArray}. Nothing is recorded for backward.
 */
public final class FlatMatrix implements AutoCloseable {

    private final Tensor matrix;
    private final Tensor transposed;

    private FlatMatrix(Tensor matrix) {
        this.matrix = matrix;
        this.transposed = matrix.t();
    }

    /**
     * Views a part of a flat array as a matrix, row by row.
     *
     * @param flat a one-dimensional array
     * @param offset first element
     * @param rows number of rows
     * @param columns number of columns
     * @return the view
     * @throws TorchException if it does not fit
     */
    public static FlatMatrix of(NDArray flat, long offset, long rows, long columns) {
        Tensor memory = Tensors.view(flat);
        if (offset < 0 || offset + rows * columns > memory.numel()) {
            throw TorchException.matrixOutside(rows, columns, offset, memory.numel());
        }
        try (GradMode off = GradMode.disabled();
                LongOptional start = new LongOptional(memory.storage_offset() + offset)) {
            return new FlatMatrix(
                    memory.as_strided(new long[] {rows, columns}, new long[] {columns, 1}, start));
        }
    }

    /**
     * Sets this matrix to {@code a · b}.
     *
     * @param a a matrix of as many rows
     * @param b a matrix of as many columns, and as many rows as {@code a} has columns
     * @throws TorchException if the shapes do not fit
     */
    public void setToProduct(FlatMatrix a, FlatMatrix b) {
        multiply(a.matrix, b.matrix);
    }

    /**
     * Sets this matrix to {@code a · bᵀ}.
     *
     * @param a a matrix of as many rows
     * @param b a matrix with as many rows as this has columns, and as many columns as {@code a}
     * @throws TorchException if the shapes do not fit
     */
    public void setToProductWithTransposed(FlatMatrix a, FlatMatrix b) {
        multiply(a.matrix, b.transposed);
    }

    /**
     * Sets this matrix to {@code aᵀ · b}.
     *
     * @param a a matrix with as many columns as this has rows
     * @param b a matrix of as many columns, and as many rows as {@code a}
     * @throws TorchException if the shapes do not fit
     */
    public void setToTransposedProduct(FlatMatrix a, FlatMatrix b) {
        multiply(a.transposed, b.matrix);
    }

    private void multiply(Tensor a, Tensor b) {
        if (a.size(0) != matrix.size(0) || b.size(1) != matrix.size(1) || a.size(1) != b.size(0)) {
            throw TorchException.notMultipliable(
                    Tensors.shape(a), Tensors.shape(b), Tensors.shape(matrix));
        }
        try (GradMode off = GradMode.disabled()) {
            torch.mm_out(matrix, a, b);
        }
    }

    /**
     * Copies the elements of another matrix.
     *
     * @param other a matrix of the same shape
     */
    public void setTo(FlatMatrix other) {
        try (GradMode off = GradMode.disabled()) {
            matrix.copy_(other.matrix);
        }
    }

    /**
     * Copies elements from the host, row by row.
     *
     * @param rows as many as this matrix has, each as long as it has columns
     */
    public void setTo(float[][] rows) {
        try (GradMode off = GradMode.disabled();
                TensorOptions options = new TensorOptions(ScalarType.Float)) {
            for (int i = 0; i < rows.length; i++) {
                try (FloatPointer memory = new FloatPointer(rows[i]);
                        Tensor values =
                                torch.from_blob(memory, new long[] {rows[i].length}, options);
                        Tensor row = matrix.select(0, i)) {
                    row.copy_(values);
                }
            }
        }
    }

    /**
     * Makes the rows orthonormal, by Gram-Schmidt in double precision and twice, without a look at
     * the result, so that the host need not wait for a device that computes it.
     *
     * @param epsilon added to the length of a row before it is divided by it
     * @param replacement rows that take the place of those that are zero, or of which the rows
     *     before leave nothing; null to leave these zero
     */
    public void orthonormaliseRows(double epsilon, @Nullable FlatMatrix replacement) {
        try (GradMode off = GradMode.disabled();
                PointerScope all = new PointerScope()) {
            Tensor rows = matrix.to(ScalarType.Double);
            for (int i = 0; i < matrix.size(0); i++) {
                Tensor before = rows.narrow(0, 0, i);
                Tensor row = rows.select(0, i);
                Tensor unit = unit(row, before, epsilon);
                if (replacement != null) {
                    Tensor other = replacement.matrix.select(0, i).to(ScalarType.Double);
                    Tensor nothing = torch.linalg_vector_norm(unit).eq(new Scalar(0.));
                    unit = torch.where(nothing, unit(other, before, epsilon), unit);
                }
                // The rows after it are made orthogonal to what is stored, which is rounded.
                row.copy_(unit.to(matrix.scalar_type().intern()));
            }
            matrix.copy_(rows);
        }
    }

    /** What the rows before leave of a row, as a unit vector, or zero. NaN counts as something. */
    private static Tensor unit(Tensor row, Tensor before, double epsilon) {
        Tensor rest = row.clone();
        for (int pass = 0; pass < 2 && before.size(0) > 0; pass++) {
            rest.sub_(torch.mv(before.t(), torch.mv(before, rest)));
        }
        Tensor length = torch.linalg_vector_norm(rest);
        Tensor least = torch.linalg_vector_norm(row).mul(new Scalar((double) Float.MIN_NORMAL));
        Tensor unit = rest.div(length.add(new Scalar(epsilon)));
        return torch.where(length.le(least), torch.zeros_like(unit), unit);
    }

    /** Lets go of the memory. */
    @Override
    public void close() {
        transposed.close();
        matrix.close();
    }
}
