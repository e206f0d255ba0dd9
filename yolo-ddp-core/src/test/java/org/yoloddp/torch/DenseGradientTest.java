package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.VoidTensorHook;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Gradients behind a concatenation are dense where that pays, and their values stay. */
@Tag("torch")
class DenseGradientTest {

    /** What arrived at the parts of a concatenation. */
    private record Got(List<Boolean> dense, float[] gradient) {}

    @Test
    void narrowPartsGetDenseGradients() {
        Got narrow = run(16, true);
        assertThat(narrow.dense()).containsExactly(true, true);
        assertThat(narrow.gradient()).isEqualTo(run(16, false).gradient());
    }

    @Test
    void widePartsAreNotCopied() {
        Got wide = run(32, true);
        assertThat(wide.dense()).containsExactly(false, false);
        assertThat(wide.gradient()).isEqualTo(run(32, false).gradient());
    }

    private static Got run(int channels, boolean channelsLast) {
        List<Boolean> dense = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                GradMode on = GradMode.enabled()) {
            Shape shape = new Shape(2, channels, 3, 4);
            NDArray x = manager.arange(0f, shape.size()).reshape(shape);
            NDArray weights = manager.arange(0f, 2 * shape.size()).reshape(2, 2L * channels, 3, 4);
            if (channelsLast) {
                Layouts.toChannelsLast(x);
                Layouts.toChannelsLast(weights);
            }
            x.setRequiresGradient(true);
            NDArray left = TorchOps.relu(x);
            NDArray right = TorchOps.leakyRelu(x, .5);
            NDArray joined = TorchOps.concat(List.of(left, right), 1);
            // Hooks run in the order in which they were registered.
            Watch onLeft = new Watch(dense);
            Watch onRight = new Watch(dense);
            Tensors.view(left).register_hook(onLeft);
            Tensors.view(right).register_hook(onRight);
            Autograd.backward(joined.mul(weights).sum());
            try (onLeft;
                    onRight;
                    NDArray gradient = GradientViews.gradient(x)) {
                return new Got(dense, gradient.toFloatArray());
            }
        }
    }

    private static final class Watch extends VoidTensorHook {

        private final List<Boolean> dense;

        Watch(List<Boolean> dense) {
            this.dense = dense;
        }

        @Override
        public void call(TensorBase gradient) {
            dense.add(gradient.is_contiguous(MemoryFormat.ChannelsLast));
            gradient.close();
        }
    }
}
