package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A module of YOLOv5 with one output.
 *
 * <p>Layers call each other through {@link #compute}, not through DJL's forward, which asks the
 * whole tree below it each time whether it is initialised.
 */
abstract class Layer extends NamedBlock {

    /** Computes the output; the inputs stay open. */
    abstract NDArray compute(Pass pass, List<NDArray> inputs);

    /** The shape that {@link #compute} will return. */
    abstract Shape outputShape(List<Shape> inputs);

    /** Computes the output and closes the input, an intermediate that nobody else needs. */
    final NDArray consume(Pass pass, NDArray input) {
        try (input) {
            return compute(pass, List.of(input));
        }
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore store,
            NDList inputs,
            boolean training,
            @Nullable PairList<String, Object> params) {
        return new NDList(compute(new Pass(store, inputs.head().getDevice(), training), inputs));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {outputShape(List.of(shapes))};
    }
}
