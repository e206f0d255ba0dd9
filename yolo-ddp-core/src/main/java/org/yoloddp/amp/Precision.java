package org.yoloddp.amp;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.nn.transformer.ScaledDotProductAttentionBlock;
import ai.djl.util.Pair;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.Autocast;
import org.yoloddp.torch.TorchOps;

/**
 * In which precision the forward pass computes, and whether the loss is scaled. Parameters,
 * gradients, loss and optimizer stay in float32. Immutable.
 *
 * <pre>{@code
 * try (PrecisionScope scope = precision.scope(device)) {
 *     outputs = precision.toFloat32(block.forward(parameterStore, inputs, true));
 * }
 * // the loss, outside the scope
 * }</pre>
 *
 * <p>Inside a mixed forward the arrays between layers are of 16 bits. DJL has no bfloat16: a block
 * of one's own that asks such an array for its type gets UNKNOWN, and ends the JVM if it creates an
 * array of that type, as {@code x.zerosLike()} and {@code manager.zeros(shape, x.getDataType())}
 * do. Create float32 arrays instead, libtorch mixes them.
 */
public final class Precision {

    private static final Precision FLOAT32 = new Precision(DataType.FLOAT32, null);
    private static final Precision BFLOAT16 = new Precision(DataType.BFLOAT16, null);
    private static final Precision FLOAT16 =
            new Precision(DataType.FLOAT16, GradScaler.Options.defaults());

    private final DataType type;
    private final GradScaler.@Nullable Options scaling;

    private Precision(DataType type, GradScaler.@Nullable Options scaling) {
        this.type = type;
        this.scaling = scaling;
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
     * float32, so that the loss needs no scaling. For CPUs with avx512_bf16 or amx_bf16, and GPUs.
     *
     * @return bfloat16
     */
    public static Precision bfloat16() {
        return BFLOAT16;
    }

    /**
     * Returns mixed precision: products and convolutions in float16, more exact than bfloat16 but
     * with a range of 6e-8 to 65504, so that the loss is scaled ({@link
     * GradScaler.Options#defaults}). For GPUs; CPUs compute it too, most of them slower than
     * float32.
     *
     * @return float16 with loss scaling
     */
    public static Precision float16() {
        return FLOAT16;
    }

    /**
     * Returns a copy with loss scaling, or with another one: steps whose gradients aren't finite
     * are skipped then.
     *
     * @param options how the scale moves
     * @return the copy
     */
    public Precision withLossScaling(GradScaler.Options options) {
        return new Precision(type, options);
    }

    /**
     * Returns a copy without loss scaling: a loss that isn't finite fails the training then.
     *
     * @return the copy
     */
    public Precision withoutLossScaling() {
        return new Precision(type, null);
    }

    /**
     * Returns how the loss is scaled.
     *
     * @return the options, if it is
     */
    public Optional<GradScaler.Options> lossScaling() {
        return Optional.ofNullable(scaling);
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
     * Checks that a device can compute so: CPUs and CUDA GPUs do.
     *
     * @param device where a rank computes
     * @throws UnsupportedPrecisionException if it cannot
     */
    public void requireSupported(Device device) {
        boolean known = device.isGpu() || device.getDeviceType().equals(Device.Type.CPU);
        if (isMixed() && !known) {
            throw UnsupportedPrecisionException.of(this, device);
        }
    }

    /**
     * Checks that a block's layers can compute so: all of DJL's can but its attention, which ends
     * the JVM in bfloat16. What a layer of one's own does can't be seen.
     *
     * @param block the block
     * @throws UnsupportedPrecisionException if a layer cannot
     */
    public void requireSupported(Block block) {
        if (type == DataType.BFLOAT16) {
            requireSupported("", block);
        }
    }

    private static void requireSupported(String path, Block block) {
        if (block instanceof ScaledDotProductAttentionBlock) {
            throw UnsupportedPrecisionException.of(path, block.getClass().getSimpleName());
        }
        for (Pair<String, Block> child : block.getChildren()) {
            String name = path.isEmpty() ? child.getKey() : path + "." + child.getKey();
            requireSupported(name, child.getValue());
        }
    }

    /**
     * Starts to compute in this precision, on the calling thread until the scope is closed.
     *
     * @param device where the thread computes
     * @return the scope, to be closed by the same thread
     */
    public PrecisionScope scope(Device device) {
        return isMixed() ? Autocast.of(device, type)::close : () -> {};
    }

    /**
     * Casts a block's outputs of 16 bits back, for the loss; differentiable. Touch outputs of a
     * mixed precision by nothing else: DJL does not know bfloat16.
     *
     * @param outputs what a forward in the scope has returned
     * @return the outputs, those of 16 bits in float32; the same list if the precision is not mixed
     */
    public NDList toFloat32(NDList outputs) {
        if (!isMixed()) {
            return outputs;
        }
        NDList cast = new NDList(outputs.size());
        for (NDArray output : outputs) {
            DataType given = TorchOps.dataType(output);
            boolean half = given == DataType.BFLOAT16 || given == DataType.FLOAT16;
            cast.add(half ? TorchOps.toFloat32(output) : output);
        }
        return cast;
    }

    @Override
    public String toString() {
        return scaling == null ? type.toString() : type + " with loss scaling";
    }
}
