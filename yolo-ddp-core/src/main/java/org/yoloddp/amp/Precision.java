package org.yoloddp.amp;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import org.yoloddp.torch.Autocast;
import org.yoloddp.torch.TorchOps;

/**
 * In which precision the forward pass computes. Parameters, gradients, loss and optimizer stay in
 * float32.
 *
 * <pre>{@code
 * try (PrecisionScope scope = precision.scope()) {
 *     outputs = precision.toFloat32(block.forward(parameterStore, inputs, true));
 * }
 * // the loss, outside the scope
 * }</pre>
 */
public final class Precision {

    private static final Precision FLOAT32 = new Precision(DataType.FLOAT32);
    private static final Precision BFLOAT16 = new Precision(DataType.BFLOAT16);

    private final DataType type;

    private Precision(DataType type) {
        this.type = type;
    }

    /**
     * Returns single precision throughout.
     *
     * @return float32
     */
    public static Precision float32() {
        return FLOAT32;
    }

    /**
     * Returns mixed precision: products and convolutions in bfloat16, whose range is that of
     * float32, so that the loss needs no scaling.
     *
     * @return bfloat16
     */
    public static Precision bfloat16() {
        return BFLOAT16;
    }

    /**
     * Tells whether parts of the forward pass run in a lower precision.
     *
     * @return true unless float32
     */
    public boolean isMixed() {
        return type != DataType.FLOAT32;
    }

    /**
     * Checks that a device can compute so.
     *
     * @param device where a rank computes
     * @throws UnsupportedPrecisionException if it cannot
     */
    public void requireSupported(Device device) {
        if (isMixed() && device.isGpu()) {
            throw UnsupportedPrecisionException.of(this, device);
        }
    }

    /**
     * Starts to compute in this precision, on the calling thread until the scope is closed.
     *
     * @return the scope, to be closed by the same thread
     */
    public PrecisionScope scope() {
        return isMixed() ? Autocast.cpuBfloat16()::close : () -> {};
    }

    /**
     * Casts a block's outputs back, for the loss; differentiable. Touch outputs of a mixed
     * precision by nothing else: DJL does not know their type.
     *
     * @param outputs what a forward in the scope has returned
     * @return the outputs in float32; the same list if the precision is not mixed
     */
    public NDList toFloat32(NDList outputs) {
        if (!isMixed()) {
            return outputs;
        }
        NDList cast = new NDList(outputs.size());
        outputs.forEach(output -> cast.add(TorchOps.toFloat32(output)));
        return cast;
    }

    @Override
    public String toString() {
        return type.toString();
    }
}
