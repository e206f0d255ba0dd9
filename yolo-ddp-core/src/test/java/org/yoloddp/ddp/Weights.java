package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.Communicator;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TorchRuntime;

/**
 * A model of single vectors, each of which is its own layer: their gradients are whatever a test
 * asks for, in the order that it asks for.
 */
final class Weights implements AutoCloseable {

    static final int SIZE = 32;

    final NDManager manager = NDManager.newBaseManager();
    final StateDict state;
    final Replica replica;

    /** Vectors of ones by name; a name like {@code b=a} shares the array of a. */
    Weights(Communicator communicator, Reduction reduction, String... names) {
        TorchRuntime.setThreads(1);
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        for (String name : names) {
            int equals = name.indexOf('=');
            arrays.put(
                    equals < 0 ? name : name.substring(0, equals),
                    equals < 0
                            ? manager.ones(new Shape(SIZE))
                            : arrays.get(name.substring(equals + 1)));
        }
        arrays.values().forEach(array -> array.setRequiresGradient(true));
        state =
                StateDict.of(
                        arrays.entrySet().stream()
                                .map(
                                        e ->
                                                new StateDict.Entry(
                                                        e.getKey(), e.getValue(), false, true))
                                .toList());
        replica = Replica.create(communicator, state, reduction, manager);
    }

    /** One bucket per vector. */
    static Reduction single() {
        return Reduction.defaults().withBucketBytes(4).withFirstBucketBytes(4);
    }

    NDArray get(String name) {
        return state.get(name).array();
    }

    /**
     * Runs backward. The first name's gradient is computed last.
     *
     * @param gradient the gradient of each of the vectors, in all elements
     */
    void backward(double gradient, String... names) {
        try (NDManager scope = manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            NDArray factor = scope.full(new Shape(SIZE), (float) gradient);
            NDArray loss = null;
            for (String name : names) {
                NDArray term = factor.mul(get(name)).sum();
                loss = loss == null ? term : loss.add(term);
            }
            Autograd.backward(loss);
        }
    }

    /** One step but for the optimizer: backward and reduction. */
    StepFlags step(double gradient, String... names) {
        replica.zeroGradients();
        replica.armReduction();
        backward(gradient, names);
        return replica.reduceGradients(StepFlags.NONE);
    }

    /** The gradient of a vector; fails unless it is the same in all elements. */
    double gradient(String name) {
        try (NDArray gradient = GradientViews.gradient(manager, get(name))) {
            float[] values = gradient.toFloatArray();
            float[] same = new float[SIZE];
            Arrays.fill(same, values[0]);
            if (!Arrays.equals(values, same)) {
                throw new AssertionError(name + " has the gradient " + Arrays.toString(values));
            }
            return values[0];
        }
    }

    List<Double> gradients(String... names) {
        return Arrays.stream(names).map(this::gradient).toList();
    }

    @Override
    public void close() {
        replica.close();
        manager.close();
    }
}
