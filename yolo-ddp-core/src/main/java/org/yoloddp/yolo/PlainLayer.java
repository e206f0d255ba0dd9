package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.function.Function;
import org.yoloddp.torch.TorchOps;

/** A layer without parameters: upsampling, concatenation, max pool. */
final class PlainLayer extends Layer {

    private final Function<List<NDArray>, NDArray> operation;
    private final Function<List<Shape>, Shape> shape;

    private PlainLayer(
            Function<List<NDArray>, NDArray> operation, Function<List<Shape>, Shape> shape) {
        this.operation = operation;
        this.shape = shape;
    }

    static PlainLayer upsample(int scale) {
        return new PlainLayer(
                inputs -> TorchOps.upsampleNearest2d(inputs.get(0), scale),
                shapes -> {
                    Shape in = shapes.get(0);
                    return new Shape(in.get(0), in.get(1), in.get(2) * scale, in.get(3) * scale);
                });
    }

    static PlainLayer concat() {
        return new PlainLayer(
                inputs -> TorchOps.concat(inputs, 1),
                shapes -> {
                    Shape in = shapes.get(0);
                    long channels = shapes.stream().mapToLong(each -> each.get(1)).sum();
                    return new Shape(in.get(0), channels, in.get(2), in.get(3));
                });
    }

    static PlainLayer maxPool(int kernel, int stride, int padding) {
        return new PlainLayer(
                inputs -> TorchOps.maxPool2d(inputs.get(0), kernel, stride, padding),
                shapes -> {
                    Shape in = shapes.get(0);
                    return new Shape(
                            in.get(0),
                            in.get(1),
                            (in.get(2) + 2L * padding - kernel) / stride + 1,
                            (in.get(3) + 2L * padding - kernel) / stride + 1);
                });
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        return operation.apply(inputs);
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        return shape.apply(inputs);
    }
}
