package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

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

    /** Lets go of the memory. */
    @Override
    public void close() {
        transposed.close();
        matrix.close();
    }
}
