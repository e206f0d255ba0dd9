package org.yoloddp.yolo;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Finds the model of this library that weights without a description belong to. */
final class VariantGuess {

    private static final String[] VARIANTS = {"n", "s", "m", "l", "x"};
    private static final int ANCHORS = 3;

    private VariantGuess() {}

    /** Number of classes by the width of the last layer, or 0 if that is not to be told. */
    static int classes(Map<String, WeightTensor> tensors) {
        Shape bias = null;
        for (WeightTensor tensor : tensors.values()) {
            if (tensor.name().matches("model\\.\\d+\\.m\\.0\\.bias")) {
                bias = tensor.shape();
            }
        }
        if (bias == null || bias.size() % ANCHORS != 0) {
            return 0;
        }
        return (int) Math.max(0, bias.size() / ANCHORS - 5);
    }

    static @Nullable ModelYaml of(Map<String, WeightTensor> tensors) {
        int classes = classes(tensors);
        if (classes == 0) {
            return null;
        }
        for (String variant : VARIANTS) {
            ModelYaml yaml = ModelYaml.load("yolov5" + variant).withClasses(classes);
            if (fits(new YoloV5Block(yaml, 0), tensors)) {
                return yaml;
            }
        }
        return null;
    }

    private static boolean fits(YoloV5Block block, Map<String, WeightTensor> tensors) {
        for (Pair<String, Parameter> pair : block.getParameters()) {
            WeightTensor tensor = tensors.get(pair.getKey());
            if (tensor == null || !tensor.shape().equals(pair.getValue().getShape())) {
                return false;
            }
        }
        return true;
    }
}
