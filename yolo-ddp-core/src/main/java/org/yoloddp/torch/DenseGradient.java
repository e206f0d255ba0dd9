package org.yoloddp.torch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.global.torch.MemoryFormat;

/**
 * Lays the gradient of an intermediate result out as the result itself, without holes.
 *
 * <p>libtorch's vectorised loops take two registers at a time and do the rest element by element;
 * as a part of a wider gradient in channels_last a narrow one has rows shorter than that, and all
 * of it would be rest. SiLU's backward of yolov5n, 32 channels in bfloat16, is 7 times slower so.
 */
final class DenseGradient extends GradientHook {

    /** Bytes of two AVX-512 registers. */
    private static final long ENOUGH = 128;

    /** One for all, since it has no state; libtorch holds hooks weakly only. */
    private static final DenseGradient HOOK = new DenseGradient();

    private DenseGradient() {}

    /** Has an effect on narrow channels_last tensors that take part in a graph. */
    static void ask(Tensor tensor) {
        if (tensor.dim() == 4
                && tensor.size(1) * tensor.element_size() < ENOUGH
                && tensor.requires_grad()
                && tensor.is_contiguous(MemoryFormat.ChannelsLast)) {
            tensor.register_hook(HOOK);
        }
    }

    @Override
    TensorBase changed(TensorBase gradient) {
        return gradient.contiguous(MemoryFormat.ChannelsLast);
    }
}
