package org.yoloddp.yolo;

import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;

/** Builds the layers of a model description: scales depth and width, follows the channels. */
final class ModelBuilder {

    /** Side of the square image by which strides are found. */
    private static final int PROBE = 256;

    /** A layer and the layers that it reads; -1 is the image. */
    record Node(int[] from, Layer layer) {}

    /** All layers, the last of them the head. */
    record Built(List<Node> nodes, int[] headFrom, DetectLayer head) {}

    private final ModelYaml yaml;
    private final Seeds seeds;
    private final List<Node> nodes = new ArrayList<>();
    private final List<Integer> channels = new ArrayList<>();
    private final List<Shape> shapes = new ArrayList<>();

    private ModelBuilder(ModelYaml yaml, long seed) {
        this.yaml = yaml;
        this.seeds = new Seeds(seed);
    }

    static Built build(ModelYaml yaml, long seed) {
        return new ModelBuilder(yaml, seed).build();
    }

    private Built build() {
        List<LayerRow> rows = yaml.rows();
        for (LayerRow row : rows.subList(0, rows.size() - 1)) {
            add(row);
        }
        return head(rows.get(rows.size() - 1));
    }

    private void add(LayerRow row) {
        int[] from = absolute(row);
        RowArguments arguments = new RowArguments(yaml.source(), row);
        LayerFactory factory = new LayerFactory(yaml, row, arguments, seeds);
        int in = from.length == 1 ? channels(from[0]) : 0;
        for (int input : from) {
            in = Math.max(in, channels(input));
        }
        int joined = 0;
        List<Shape> inputs = new ArrayList<>();
        for (int input : from) {
            joined += channels(input);
            inputs.add(shape(input));
        }
        LayerFactory.Made made = factory.make(in, joined, from.length);
        Shape first = inputs.get(0);
        for (Shape input : inputs) {
            if (input.get(2) != first.get(2) || input.get(3) != first.get(3)) {
                throw ModelYamlException.badRow(
                        yaml.source(),
                        row.index(),
                        row,
                        "its inputs have different sizes, "
                                + side(first)
                                + " and "
                                + side(input)
                                + " for an image of "
                                + PROBE);
            }
        }
        Shape output = made.layer().outputShape(inputs);
        if (output.get(2) < 1) {
            throw ModelYamlException.badRow(
                    yaml.source(),
                    row.index(),
                    row,
                    "its output is empty for an image of " + PROBE);
        }
        nodes.add(new Node(from, made.layer()));
        channels.add(made.channels());
        shapes.add(output);
    }

    private Built head(LayerRow row) {
        if (!row.module().equals("Detect")) {
            throw ModelYamlException.badRow(
                    yaml.source(), row.index(), row, "the last layer must be Detect");
        }
        int[] from = absolute(row);
        double[][] anchors = yaml.anchors();
        if (from.length != anchors.length) {
            throw ModelYamlException.badRow(
                    yaml.source(),
                    row.index(),
                    row,
                    from.length + " inputs, but anchors for " + anchors.length + " levels");
        }
        int[] strides = new int[from.length];
        int[] inputs = new int[from.length];
        for (int level = 0; level < from.length; level++) {
            strides[level] = (int) (PROBE / shape(from[level]).get(2));
            inputs[level] = channels(from[level]);
        }
        AnchorGrid grid = AnchorGrid.of(anchors, strides);
        return new Built(
                List.copyOf(nodes), from, new DetectLayer(yaml.classes(), inputs, grid, seeds));
    }

    private static int[] absolute(LayerRow row) {
        return row.from().stream().mapToInt(f -> f < 0 ? row.index() + f : f).toArray();
    }

    private int channels(int layer) {
        return layer < 0 ? 3 : channels.get(layer);
    }

    private Shape shape(int layer) {
        return layer < 0 ? new Shape(1, 3, PROBE, PROBE) : shapes.get(layer);
    }

    private static String side(Shape shape) {
        return shape.get(2) + "×" + shape.get(3);
    }
}
