package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.TorchOps;

/** The head: for each level a 1×1 convolution to (box, objectness, classes) of each anchor. */
final class DetectLayer extends NamedBlock {

    private final int classes;
    private final AnchorGrid grid;
    private final Parameter anchors;
    private final List<Parameter> weights = new ArrayList<>();
    private final List<Parameter> biases = new ArrayList<>();

    DetectLayer(int classes, int[] channels, AnchorGrid grid, Seeds seeds) {
        this.classes = classes;
        this.grid = grid;
        Shape shape = new Shape(grid.levels(), grid.anchorsPerLevel(), 2);
        anchors =
                parameter(
                        "anchors",
                        Parameter.Type.OTHER,
                        shape,
                        (manager, s, type) -> manager.create(grid.flat(), shape));
        int out = grid.anchorsPerLevel() * (5 + classes);
        for (int level = 0; level < channels.length; level++) {
            double bound = 1 / Math.sqrt(channels[level]);
            weights.add(
                    parameter(
                            "m." + level + ".weight",
                            Parameter.Type.WEIGHT,
                            new Shape(out, channels[level], 1, 1),
                            new SeededUniform(seeds.next(), bound)));
            biases.add(
                    parameter(
                            "m." + level + ".bias",
                            Parameter.Type.BIAS,
                            new Shape(out),
                            new SeededUniform(seeds.next(), bound, priors(grid.stride(level)))));
        }
    }

    /** Log odds to start from: 8 objects in an image of 640 px, and each class equally rare. */
    private double[] priors(int stride) {
        double[] offsets = new double[5 + classes];
        double cells = 640.0 / stride;
        offsets[4] = Math.log(8 / (cells * cells));
        for (int c = 0; c < classes; c++) {
            offsets[5 + c] = Math.log(0.6 / (classes - 0.99999));
        }
        return offsets;
    }

    AnchorGrid grid() {
        return grid;
    }

    /** Strides, and the anchors as the parameter holds them: loaded weights may bring their own. */
    AnchorGrid anchors() {
        return anchors.isInitialized() ? grid.withCells(anchors.getArray().toFloatArray()) : grid;
    }

    /** Raw logits by level: (image, anchor, row, column, 5 + classes), float32. */
    NDList raw(Pass pass, List<NDArray> inputs) {
        NDList result = new NDList(inputs.size());
        for (int level = 0; level < inputs.size(); level++) {
            NDArray x = inputs.get(level);
            Shape s = x.getShape();
            // under autocast the convolution gives bfloat16, which neither loss nor DJL can take
            try (NDArray y =
                            TorchOps.conv2d(
                                    x,
                                    pass.value(weights.get(level)),
                                    pass.value(biases.get(level)),
                                    1,
                                    0,
                                    1,
                                    1);
                    NDArray single = TorchOps.toFloat32(y);
                    NDArray split =
                            single.reshape(
                                    s.get(0),
                                    grid.anchorsPerLevel(),
                                    5L + classes,
                                    s.get(2),
                                    s.get(3))) {
                result.add(split.transpose(0, 1, 3, 4, 2));
            }
        }
        return result;
    }

    /** Boxes in pixels and scores: (image, row, 5 + classes), level by level. */
    NDArray decode(NDList raw) {
        AnchorGrid current = anchors();
        NDList levels = new NDList(raw.size());
        for (int level = 0; level < raw.size(); level++) {
            levels.add(decode(raw.get(level), level, current));
        }
        NDArray result = NDArrays.concat(levels, 1);
        levels.close();
        return result;
    }

    private static NDArray decode(NDArray raw, int level, AnchorGrid grid) {
        Shape s = raw.getShape();
        int rows = (int) s.get(2);
        int columns = (int) s.get(3);
        NDManager manager = raw.getManager();
        try (NDManager scope = manager.newSubManager()) {
            raw.tempAttach(scope);
            NDArray score = TorchOps.sigmoid(raw);
            NDArray cells =
                    scope.create(grid.cells(rows, columns), new Shape(1, 1, rows, columns, 2));
            NDArray sizes =
                    scope.create(grid.pixels(level), new Shape(1, grid.anchorsPerLevel(), 1, 1, 2));
            NDArray centre =
                    score.get(new NDIndex("..., 0:2")).mul(2).add(cells).mul(grid.stride(level));
            NDArray size = score.get(new NDIndex("..., 2:4")).mul(2).square().mul(sizes);
            NDArray all =
                    NDArrays.concat(new NDList(centre, size, score.get(new NDIndex("..., 4:"))), 4);
            NDArray flat = all.reshape(s.get(0), s.get(1) * s.get(2) * s.get(3), s.get(4));
            flat.attach(manager);
            raw.attach(manager);
            return flat;
        }
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore store,
            NDList inputs,
            boolean training,
            @Nullable PairList<String, Object> params) {
        return raw(new Pass(store, inputs.head().getDevice(), training), inputs);
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
        Shape[] shapes = new Shape[inputs.length];
        for (int level = 0; level < shapes.length; level++) {
            Shape in = inputs[level];
            shapes[level] =
                    new Shape(
                            in.get(0), grid.anchorsPerLevel(), in.get(2), in.get(3), 5L + classes);
        }
        return shapes;
    }

    @Override
    public DataType[] getOutputDataTypes() {
        return new DataType[] {DataType.FLOAT32};
    }
}
