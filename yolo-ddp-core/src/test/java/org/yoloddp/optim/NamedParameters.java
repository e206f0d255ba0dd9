package org.yoloddp.optim;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/** A block that is nothing but parameters with given values, whose gradients a test fills in. */
final class NamedParameters extends AbstractBlock {

    private final Map<String, NDArray> gradients = new LinkedHashMap<>();

    private NamedParameters() {}

    /** Names that contain {@code running} become buffers. */
    static NamedParameters of(NDManager manager, Map<String, NDArray> values) {
        return of(manager, values, array -> {});
    }

    static NamedParameters of(
            NDManager manager, Map<String, NDArray> values, Consumer<NDArray> layout) {
        NamedParameters block = new NamedParameters();
        values.forEach((name, value) -> block.add(manager, name, value, layout));
        return block;
    }

    private void add(NDManager manager, String name, NDArray value, Consumer<NDArray> layout) {
        boolean buffer = name.contains("running") || !value.getDataType().isFloating();
        Parameter parameter =
                addParameter(
                        Parameter.builder()
                                .setName(name)
                                .setType(
                                        buffer
                                                ? Parameter.Type.RUNNING_MEAN
                                                : Parameter.Type.WEIGHT)
                                .optRequiresGrad(!buffer)
                                .build());
        NDArray copy = value.duplicate();
        copy.attach(manager);
        layout.accept(copy);
        parameter.setArray(copy);
        copy.setRequiresGradient(!buffer);
        if (!buffer) {
            NDArray flat = manager.zeros(new Shape(value.size()), value.getDataType());
            GradientViews.bind(copy, flat, 0);
            gradients.put(name, flat);
        }
    }

    StateDict state() {
        return StateDict.of(this);
    }

    /** Sets the gradient of the parameter with this number, in memory order. */
    void setGradient(int parameter, float[] values) {
        set(List.copyOf(gradients.values()).get(parameter), values);
    }

    void fillGradient(String name, float value) {
        float[] values = new float[Math.toIntExact(gradients.get(name).size())];
        Arrays.fill(values, value);
        set(gradients.get(name), values);
    }

    private static void set(NDArray gradient, float[] values) {
        try (NDArray source = gradient.getManager().create(values);
                TensorList from = TensorList.of(List.of(source));
                TensorList to = TensorList.of(List.of(gradient))) {
            to.copyFrom(from);
        }
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            @Nullable PairList<String, Object> params) {
        return inputs;
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return inputShapes;
    }
}
