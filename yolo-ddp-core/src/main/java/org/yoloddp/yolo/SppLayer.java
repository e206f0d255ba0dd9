package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.torch.TorchOps;

/**
 * Max pools of several sizes beside each other: of the same input with the given kernels (SPP), or
 * three in a row with one kernel (SPPF), which comes to the same for 5, 9 and 13.
 */
final class SppLayer extends Layer {

    private final ConvLayer cv1;
    private final ConvLayer cv2;
    private final int[] kernels;
    private final boolean chained;

    private SppLayer(
            int in, int out, int[] kernels, boolean chained, String activation, Seeds seeds) {
        int hidden = in / 2;
        this.kernels = kernels.clone();
        this.chained = chained;
        cv1 = part("cv1", new ConvLayer(ConvLayer.Spec.of(in, hidden, 1, 1, activation), seeds));
        int joined = hidden * (kernels.length + 1);
        cv2 = part("cv2", new ConvLayer(ConvLayer.Spec.of(joined, out, 1, 1, activation), seeds));
    }

    static SppLayer chained(int in, int out, int kernel, String activation, Seeds seeds) {
        return new SppLayer(in, out, new int[] {kernel, kernel, kernel}, true, activation, seeds);
    }

    static SppLayer parallel(int in, int out, int[] kernels, String activation, Seeds seeds) {
        return new SppLayer(in, out, kernels, false, activation, seeds);
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        List<NDArray> pooled = new ArrayList<>();
        pooled.add(cv1.compute(pass, inputs));
        for (int i = 0; i < kernels.length; i++) {
            NDArray from = pooled.get(chained ? i : 0);
            pooled.add(TorchOps.maxPool2d(from, kernels[i], 1, kernels[i] / 2));
        }
        NDArray joined = TorchOps.concat(pooled, 1);
        pooled.forEach(NDArray::close);
        return cv2.consume(pass, joined);
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        return cv2.outputShape(inputs);
    }
}
