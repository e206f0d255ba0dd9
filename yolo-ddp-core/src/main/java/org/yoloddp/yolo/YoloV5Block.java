package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A YOLOv5 model as a DJL block, built from a model description. Input: images (B, 3, H, W), RGB, 0
 * to 1, sides multiples of the largest stride.
 *
 * <p>In training mode it returns the raw logits of each level, (B, anchors, rows, columns, 5 +
 * classes); else first one array (B, rows, 5 + classes) of centre x, centre y, width, height in
 * pixels, objectness, and class probabilities, level by level, anchor by anchor, row by row; then
 * the raw logits of each level.
 *
 * <p>The parameters have the names and the order of YOLOv5's state dict.
 */
public final class YoloV5Block extends NamedBlock {

    private final ModelYaml yaml;
    private final ModelBuilder.Built built;
    private final int[] lastUse;

    /**
     * Creates a model.
     *
     * @param yaml the description
     * @param seed of the initial weights, which are drawn as PyTorch does: convolutions uniformly
     *     in ±1/√fan-in
     * @throws ModelYamlException if the description cannot be built
     */
    public YoloV5Block(ModelYaml yaml, long seed) {
        this.yaml = yaml;
        built = ModelBuilder.build(yaml, seed);
        int layers = built.nodes().size();
        for (int i = 0; i < layers; i++) {
            part("model." + i, built.nodes().get(i).layer());
        }
        part("model." + layers, built.head());
        lastUse = lastUse();
    }

    /** The last layer that reads each layer's output. */
    private int[] lastUse() {
        int layers = built.nodes().size();
        int[] last = new int[layers];
        for (int i = 0; i < layers; i++) {
            for (int from : built.nodes().get(i).from()) {
                if (from >= 0) {
                    last[from] = i;
                }
            }
        }
        for (int from : built.headFrom()) {
            last[from] = layers;
        }
        return last;
    }

    /**
     * Returns the description that the model was built from.
     *
     * @return the description
     */
    public ModelYaml yaml() {
        return yaml;
    }

    /**
     * Returns the strides.
     *
     * @return by level, the pixels of the image per cell
     */
    public int[] strides() {
        return built.head().grid().strides();
    }

    /** Anchors as the state dict holds them now. */
    AnchorGrid anchors() {
        return built.head().anchors();
    }

    /**
     * Computes the raw logits of each level.
     *
     * @param store gives the parameters
     * @param images (B, 3, H, W)
     * @param training whether batch norm takes the batch's statistics
     * @return by level (B, anchors, rows, columns, 5 + classes)
     */
    public NDList forwardRaw(ParameterStore store, NDArray images, boolean training) {
        Pass pass = new Pass(store, images.getDevice(), training);
        List<ModelBuilder.Node> nodes = built.nodes();
        NDArray[] outputs = new NDArray[nodes.size()];
        for (int i = 0; i < outputs.length; i++) {
            int[] from = nodes.get(i).from();
            outputs[i] = nodes.get(i).layer().compute(pass, inputs(from, outputs, images));
            release(outputs, i);
        }
        NDList raw = built.head().raw(pass, inputs(built.headFrom(), outputs, images));
        release(outputs, outputs.length);
        return raw;
    }

    private static List<NDArray> inputs(int[] from, NDArray[] outputs, NDArray images) {
        if (from.length == 1) {
            return List.of(from[0] < 0 ? images : outputs[from[0]]);
        }
        List<NDArray> inputs = new ArrayList<>(from.length);
        for (int layer : from) {
            inputs.add(layer < 0 ? images : outputs[layer]);
        }
        return inputs;
    }

    /** Closes what nobody reads any more: without a gradient that frees its memory at once. */
    private void release(NDArray[] outputs, int after) {
        for (int i = 0; i < Math.min(after + 1, outputs.length); i++) {
            if (lastUse[i] == after) {
                outputs[i].close();
            }
        }
    }

    /**
     * Turns raw logits into boxes and scores.
     *
     * @param raw what {@link #forwardRaw} returned
     * @return (B, rows, 5 + classes): centre x, centre y, width, height in pixels, objectness,
     *     classes
     */
    public NDArray decode(NDList raw) {
        return built.head().decode(raw);
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore store,
            NDList inputs,
            boolean training,
            @Nullable PairList<String, Object> params) {
        NDList raw = forwardRaw(store, inputs.head(), training);
        if (training) {
            return raw;
        }
        NDList result = new NDList(decode(raw));
        result.addAll(raw);
        return result;
    }

    /** Shapes of all layers, the head's levels last. */
    List<Shape> layerShapes(Shape images) {
        List<Shape> shapes = new ArrayList<>();
        for (ModelBuilder.Node node : built.nodes()) {
            shapes.add(node.layer().outputShape(shapes(node.from(), shapes, images)));
        }
        Shape[] head = shapes(built.headFrom(), shapes, images).toArray(Shape[]::new);
        shapes.addAll(List.of(built.head().getOutputShapes(head)));
        return shapes;
    }

    private static List<Shape> shapes(int[] from, List<Shape> shapes, Shape images) {
        List<Shape> inputs = new ArrayList<>(from.length);
        for (int layer : from) {
            inputs.add(layer < 0 ? images : shapes.get(layer));
        }
        return inputs;
    }

    /**
     * Returns the shapes of the raw logits, the output in training mode.
     *
     * @param inputs the shape of the images
     * @return by level (B, anchors, rows, columns, 5 + classes)
     */
    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
        List<Shape> shapes = layerShapes(inputs[0]);
        return shapes.subList(built.nodes().size(), shapes.size()).toArray(Shape[]::new);
    }
}
