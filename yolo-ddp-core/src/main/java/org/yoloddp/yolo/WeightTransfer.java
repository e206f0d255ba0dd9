package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.yoloddp.torch.StateDict;

/** Copies weights of a file into a model, in place. */
final class WeightTransfer {

    private WeightTransfer() {}

    /**
     * Copies what agrees in name and shape.
     *
     * @return the names that were copied
     */
    static List<String> matching(
            YoloV5Weights weights, YoloV5Block block, Predicate<String> wanted) {
        List<String> copied = new ArrayList<>();
        List<StateDict.Entry> entries = new ArrayList<>();
        try (NDManager scope = NDManager.newBaseManager()) {
            for (Pair<String, Parameter> pair : block.getParameters()) {
                String name = pair.getKey();
                WeightTensor tensor = weights.tensors().get(name);
                NDArray target = pair.getValue().getArray();
                if (tensor != null
                        && wanted.test(name)
                        && tensor.shape().equals(target.getShape())) {
                    entries.add(
                            new StateDict.Entry(name, array(scope, tensor, target), false, false));
                    copied.add(name);
                }
            }
            StateDict.of(entries).copyInto(StateDict.of(block));
        }
        return copied;
    }

    /** Copies all weights of the model; every one must be in the file. */
    static void all(YoloV5Weights weights, YoloV5Block block) {
        List<String> copied = matching(weights, block, name -> true);
        List<String> missing =
                block.getParameters().stream()
                        .map(Pair::getKey)
                        .filter(name -> !copied.contains(name))
                        .toList();
        if (!missing.isEmpty()) {
            throw WeightsException.missing(weights.file(), missing);
        }
    }

    private static NDArray array(NDManager manager, WeightTensor tensor, NDArray target) {
        Shape shape = tensor.shape();
        return target.getDataType() == DataType.INT64
                ? manager.create(tensor.longs(), shape)
                : manager.create(tensor.floats(), shape);
    }
}
