package org.yoloddp.ddp;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.StateDict;

/** Whether the backward of a step has computed the gradients that it should. */
record StepChecks(
        List<StateDict.Entry> trainable,
        List<StateDict.Entry> frozen,
        boolean unusedAllowed,
        int rank) {

    /** Remembers what is trainable now. */
    static StepChecks of(StateDict state, boolean unusedAllowed, int rank) {
        List<StateDict.Entry> frozen =
                state.parameters().stream().filter(entry -> !entry.trainable()).toList();
        return new StepChecks(state.trainable(), frozen, unusedAllowed, rank);
    }

    /**
     * Checks a step.
     *
     * @param used the trainable parameters whose gradient was computed
     */
    void check(BitSet used) {
        for (StateDict.Entry entry : frozen) {
            if (Autograd.requiresGradient(entry.array())) {
                throw TrainabilityChangedException.of(entry.name(), false);
            }
        }
        int count = trainable.size();
        if (used.isEmpty() || used.cardinality() == count) {
            return;
        }
        List<String> missing = new ArrayList<>();
        for (int i = used.nextClearBit(0); i < count; i = used.nextClearBit(i + 1)) {
            StateDict.Entry entry = trainable.get(i);
            if (!Autograd.requiresGradient(entry.array())) {
                throw TrainabilityChangedException.of(entry.name(), true);
            }
            missing.add(entry.name());
        }
        if (!unusedAllowed) {
            throw UnusedParameterException.of(missing, count, rank);
        }
    }

    /**
     * Returns which parameters are left alone in a step.
     *
     * @param used the trainable parameters that a rank has used; none if that is not known, or if
     *     no rank has run a backward
     */
    Set<String> unused(BitSet used) {
        int count = trainable.size();
        if (used.isEmpty() || used.cardinality() == count) {
            return Set.of();
        }
        return IntStream.range(0, count)
                .filter(i -> !used.get(i))
                .mapToObj(i -> trainable.get(i).name())
                .collect(Collectors.toUnmodifiableSet());
    }
}
