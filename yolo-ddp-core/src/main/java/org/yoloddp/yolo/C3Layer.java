package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.stream.IntStream;
import org.yoloddp.torch.TorchOps;

/**
 * Two paths of half the channels, one of them through bottlenecks, joined by a third convolution.
 */
final class C3Layer extends Layer {

    private final ConvLayer cv1;
    private final ConvLayer cv2;
    private final ConvLayer cv3;
    private final SequenceLayer m;

    C3Layer(
            int in,
            int out,
            int repeats,
            boolean shortcut,
            int groups,
            double e,
            String activation,
            Seeds seeds) {
        int hidden = (int) (out * e);
        cv1 = part("cv1", new ConvLayer(ConvLayer.Spec.of(in, hidden, 1, 1, activation), seeds));
        cv2 = part("cv2", new ConvLayer(ConvLayer.Spec.of(in, hidden, 1, 1, activation), seeds));
        cv3 =
                part(
                        "cv3",
                        new ConvLayer(ConvLayer.Spec.of(2 * hidden, out, 1, 1, activation), seeds));
        m =
                part(
                        "m",
                        new SequenceLayer(
                                IntStream.range(0, repeats)
                                        .mapToObj(
                                                i ->
                                                        new BottleneckLayer(
                                                                hidden,
                                                                hidden,
                                                                shortcut,
                                                                groups,
                                                                1,
                                                                activation,
                                                                seeds))
                                        .toList()));
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        try (NDArray deep = m.consume(pass, cv1.compute(pass, inputs));
                NDArray flat = cv2.compute(pass, inputs)) {
            return cv3.consume(pass, TorchOps.concat(List.of(deep, flat), 1));
        }
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        return cv3.outputShape(inputs);
    }
}
