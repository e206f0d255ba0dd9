package org.yoloddp.ddp;

import ai.djl.ndarray.types.DataType;
import org.yoloddp.comm.DType;

/**
 * Communication hooks that send less than the gradients, for networks that are slow compared with
 * the computation. Give one to {@link Reduction#withCommunicationHook}.
 *
 * <p>After any of them all ranks hold the same bits, but no longer the exact average.
 */
public final class CommunicationHooks {

    private CommunicationHooks() {}

    /**
     * Sends gradients as float16, half the bytes: PyTorch's {@code fp16_compress_hook}. Each rank
     * rounds its gradients once, the average is taken in float32 and rounded once. What is larger
     * than 65504 becomes infinite and what is smaller than 6e-8 becomes 0, so use it with a
     * gradient scaler or where gradients are known to lie between. Gradients that have 16 bits
     * already are sent as they are.
     *
     * @return the factory
     */
    public static CommunicationHook.Factory float16() {
        return (communicator, buckets, manager) ->
                new HalfHook(communicator, buckets, manager, DType.F16, DataType.FLOAT16);
    }

    /**
     * Sends gradients as bfloat16, half the bytes: PyTorch's {@code bf16_compress_hook}. The range
     * is that of float32, the precision three significant digits. Each rank rounds its gradients
     * once, the average is taken in float32 and rounded once. Gradients that have 16 bits already
     * are sent as they are.
     *
     * @return the factory
     */
    public static CommunicationHook.Factory bfloat16() {
        return (communicator, buckets, manager) ->
                new HalfHook(communicator, buckets, manager, DType.BF16, DataType.BFLOAT16);
    }

    /**
     * Sends approximations of low rank: PyTorch's {@code powerSGD_hook}, after Vogels, Karimireddy
     * and Jaggi, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization",
     * 2019.
     *
     * <p>A gradient of shape (n, ...) is taken for a matrix M of n rows. The ranks average P = M Q,
     * make its columns orthonormal, average Q = Mᵀ P and take P Qᵀ for the average of M, which
     * sends rank · (rows + columns) elements for rows · columns. Vectors, and matrices that would
     * not become smaller by {@link PowerSgd#minCompressionRate()}, are averaged exactly; so are
     * gradients that are not float32.
     *
     * <p>Where PyTorch divides by 0, a column of zeros stays zero in P and is drawn anew in Q, so a
     * parameter whose gradient is 0 for a while recovers. Error feedback is kept for what is
     * compressed only, and free of the loss scale.
     *
     * @param options the options
     * @return the factory
     */
    public static CommunicationHook.Factory powerSgd(PowerSgd options) {
        return (communicator, buckets, manager) ->
                new PowerSgdHook(
                        options,
                        communicator,
                        buckets,
                        manager,
                        RandomMatrices.seeded(options.seed()));
    }
}
