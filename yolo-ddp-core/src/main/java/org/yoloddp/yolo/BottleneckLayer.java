package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;

/** 1×1 and 3×3 convolution, with a shortcut around them where the channels allow it. */
final class BottleneckLayer extends Layer {

    private final ConvLayer cv1;
    private final ConvLayer cv2;
    private final boolean add;

    BottleneckLayer(
            int in,
            int out,
            boolean shortcut,
            int groups,
            double e,
            String activation,
            Seeds seeds) {
        int hidden = (int) (out * e);
        cv1 = part("cv1", new ConvLayer(ConvLayer.Spec.of(in, hidden, 1, 1, activation), seeds));
        cv2 =
                part(
                        "cv2",
                        new ConvLayer(
                                new ConvLayer.Spec(hidden, out, 3, 1, 1, groups, activation),
                                seeds));
        add = shortcut && in == out;
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        NDArray y = cv2.consume(pass, cv1.compute(pass, inputs));
        if (!add) {
            return y;
        }
        try (y) {
            return inputs.get(0).add(y);
        }
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        return cv2.outputShape(List.of(cv1.outputShape(inputs)));
    }
}
