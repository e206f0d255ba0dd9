package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;

/** Layers one after another, named by their number. */
final class SequenceLayer extends Layer {

    private final List<? extends Layer> layers;

    SequenceLayer(List<? extends Layer> layers) {
        this.layers = List.copyOf(layers);
        for (int i = 0; i < layers.size(); i++) {
            part(Integer.toString(i), this.layers.get(i));
        }
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        NDArray y = layers.get(0).compute(pass, inputs);
        for (Layer layer : layers.subList(1, layers.size())) {
            y = layer.consume(pass, y);
        }
        return y;
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        List<Shape> shapes = inputs;
        for (Layer layer : layers) {
            shapes = List.of(layer.outputShape(shapes));
        }
        return shapes.get(0);
    }
}
