package org.yoloddp.optim;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.FusedSteps;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.TensorList;

/** The parameters of one group, and what the optimizer remembers of them. */
final class GroupState implements AutoCloseable {

    private final OptimizerSpec spec;
    private final double weightDecay;
    private final List<String> names;
    private final List<NDArray> parameters;

    /** By what it is called, an array per parameter. */
    private final Map<String, List<NDArray>> memory = new LinkedHashMap<>();

    private final BitSet all = new BitSet();
    private final BitSet stepped = new BitSet();
    private final Lists lists;

    private GroupState(
            OptimizerSpec spec,
            double weightDecay,
            Map<String, NDArray> members,
            NDManager manager) {
        this.spec = spec;
        this.weightDecay = weightDecay;
        names = List.copyOf(members.keySet());
        parameters = List.copyOf(members.values());
        all.set(0, names.size());
        if (spec instanceof AdamSpec) {
            memory.put("exp_avg", zeros(manager));
            memory.put("exp_avg_sq", zeros(manager));
            List<NDArray> steps = new ArrayList<>();
            parameters.forEach(p -> steps.add(manager.zeros(new Shape())));
            memory.put("step", steps);
        } else if (spec.momentum() > 0) {
            memory.put("momentum_buffer", zeros(manager));
        }
        lists = new Lists(all);
    }

    static GroupState create(
            OptimizerSpec spec,
            double weightDecay,
            Map<String, NDArray> members,
            NDManager manager) {
        return new GroupState(spec, weightDecay, members, manager);
    }

    void step(double learningRate, double momentum, Set<String> leftAlone) {
        BitSet active = (BitSet) all.clone();
        for (int i = 0; i < names.size() && !leftAlone.isEmpty(); i++) {
            active.set(i, !leftAlone.contains(names.get(i)));
        }
        // The first momentum is the whole gradient, undampened: it matters which step is the first.
        BitSet first = (BitSet) active.clone();
        first.andNot(stepped);
        BitSet later = (BitSet) active.clone();
        later.and(stepped);
        step(first, learningRate, momentum, true);
        step(later, learningRate, momentum, false);
        stepped.or(active);
    }

    private void step(BitSet members, double learningRate, double momentum, boolean firstStep) {
        if (members.isEmpty()) {
            return;
        }
        if (members.equals(all)) {
            lists.step(learningRate, momentum, firstStep);
            return;
        }
        try (Lists some = new Lists(members)) {
            some.step(learningRate, momentum, firstStep);
        }
    }

    void collectState(Map<String, NDArray> into) {
        stepped.stream()
                .forEach(
                        i ->
                                memory.forEach(
                                        (what, arrays) ->
                                                into.put(
                                                        names.get(i) + "/" + what, arrays.get(i))));
    }

    long bytes() {
        return memory.values().stream()
                .flatMap(List::stream)
                .mapToLong(ForeignMemory::byteCount)
                .sum();
    }

    @Override
    public void close() {
        lists.close();
    }

    /** Zeros with the strides of the parameters: the fused kernels go through memory linearly. */
    private List<NDArray> zeros(NDManager manager) {
        if (parameters.isEmpty()) {
            return List.of();
        }
        List<NDArray> zeros = new ArrayList<>();
        try (GradMode off = GradMode.disabled()) {
            for (NDArray parameter : parameters) {
                // zerosLike() would forget the strides.
                NDArray zero = parameter.duplicate();
                zero.attach(manager);
                zeros.add(zero);
            }
        }
        try (TensorList list = TensorList.of(zeros)) {
            list.zero();
        }
        return zeros;
    }

    /** Native lists of some of the parameters, of their gradients and of the memory. */
    private final class Lists implements AutoCloseable {

        private final TensorList parameters;
        private final TensorList gradients;
        private final List<TensorList> memories = new ArrayList<>();

        Lists(BitSet members) {
            List<NDArray> some = select(GroupState.this.parameters, members);
            parameters = TensorList.of(some);
            gradients = TensorList.ofGradients(some);
            memory.values().forEach(arrays -> memories.add(TensorList.of(select(arrays, members))));
            if (memories.isEmpty()) {
                memories.add(TensorList.of(List.of()));
            }
        }

        void step(double learningRate, double momentum, boolean firstStep) {
            if (spec instanceof SgdSpec sgd) {
                FusedSteps.sgd(
                        parameters,
                        gradients,
                        memories.get(0),
                        learningRate,
                        momentum,
                        sgd.dampening(),
                        weightDecay,
                        sgd.lookAhead(),
                        firstStep);
            } else if (spec instanceof AdamSpec adam) {
                if (adam.decoupled()) {
                    FusedSteps.adamW(
                            parameters,
                            gradients,
                            memories.get(0),
                            memories.get(1),
                            memories.get(2),
                            learningRate,
                            momentum,
                            adam.beta2(),
                            adam.eps(),
                            weightDecay);
                } else {
                    FusedSteps.adam(
                            parameters,
                            gradients,
                            memories.get(0),
                            memories.get(1),
                            memories.get(2),
                            learningRate,
                            momentum,
                            adam.beta2(),
                            adam.eps(),
                            weightDecay);
                }
            }
        }

        @Override
        public void close() {
            parameters.close();
            gradients.close();
            memories.forEach(TensorList::close);
        }

        private static List<NDArray> select(List<NDArray> arrays, BitSet members) {
            return members.stream().mapToObj(arrays::get).toList();
        }
    }
}
