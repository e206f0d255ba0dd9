package org.yoloddp.optim;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.StateDict;

/**
 * Updates the trainable parameters of one rank from their gradients, a group at a time, by
 * libtorch's fused kernels.
 *
 * <p>Parameters and gradients are looked up once, when the optimizer is created: bind gradients
 * before (see {@code org.yoloddp.ddp.Replica}), and neither replace arrays nor freeze parameters
 * afterwards. Not thread-safe; belongs to one rank.
 *
 * <p>Ranks that hold the same bits before a step do so afterwards, if they use the same number of
 * intra-op threads.
 */
public final class FusedOptimizer implements AutoCloseable {

    private final OptimizerSpec spec;
    private final List<GroupState> groups;
    private final NDManager manager;

    private FusedOptimizer(OptimizerSpec spec, List<GroupState> groups, NDManager manager) {
        this.spec = spec;
        this.groups = groups;
        this.manager = manager;
    }

    /**
     * Creates an optimizer whose state is zero.
     *
     * @param spec which optimizer
     * @param groups the parameter groups; each trainable parameter belongs to exactly one, frozen
     *     ones are skipped
     * @param state the parameters, with gradients bound
     * @return the optimizer
     * @throws ConfigurationException if options contradict each other, or a group names a parameter
     *     that does not exist or is in another group, or a trainable one is in none
     */
    public static FusedOptimizer create(
            OptimizerSpec spec, List<ParameterGroup> groups, StateDict state) {
        return create(spec, groups, state, name -> true);
    }

    /**
     * Creates an optimizer for some of the parameters: one rank's shard of an optimizer whose state
     * is divided over the ranks (ZeRO-1). Groups keep their place and their settings, also one of
     * which this rank has no parameter.
     *
     * @param spec which optimizer
     * @param groups the parameter groups of the whole model, as for {@link #create(OptimizerSpec,
     *     List, StateDict)}
     * @param state the parameters, with gradients bound
     * @param updated tells by name which trainable parameters this optimizer updates and keeps
     *     state for
     * @return the optimizer
     * @throws ConfigurationException if options contradict each other, or a group names a parameter
     *     that does not exist or is in another group, or a trainable one is in none
     */
    public static FusedOptimizer create(
            OptimizerSpec spec,
            List<ParameterGroup> groups,
            StateDict state,
            Predicate<String> updated) {
        spec.validate();
        Map<String, NDArray> trainable = new LinkedHashMap<>();
        state.trainable().forEach(entry -> trainable.put(entry.name(), entry.array()));
        Set<String> all = new LinkedHashSet<>();
        state.parameters().forEach(entry -> all.add(entry.name()));
        List<List<String>> assigned = GroupAssignment.of(groups, all, trainable.keySet());
        NDManager manager = state.entries().get(0).array().getManager().newSubManager();
        List<GroupState> states = new ArrayList<>();
        for (int i = 0; i < groups.size(); i++) {
            Map<String, NDArray> members = new LinkedHashMap<>();
            assigned.get(i).stream()
                    .filter(updated)
                    .forEach(name -> members.put(name, trainable.get(name)));
            states.add(GroupState.create(spec, groups.get(i).weightDecay(), members, manager));
        }
        return new FusedOptimizer(spec, states, manager);
    }

    /**
     * Updates all parameters.
     *
     * @param learningRates one per group
     * @param momentum the momentum of this step (for Adam and AdamW the first beta), or NaN for the
     *     specification's own
     * @throws ConfigurationException if the number of learning rates is not that of the groups, or
     *     a value lies outside its range
     */
    public void step(double[] learningRates, double momentum) {
        step(learningRates, momentum, Set.of());
    }

    /**
     * Updates all parameters but some that have no gradient at this step. Those keep their value
     * and their state, as in PyTorch.
     *
     * @param learningRates one per group
     * @param momentum the momentum of this step, or NaN for the specification's own
     * @param leftAlone the names of the parameters to leave alone
     * @throws ConfigurationException if the number of learning rates is not that of the groups, or
     *     a value lies outside its range
     */
    public void step(double[] learningRates, double momentum, Set<String> leftAlone) {
        if (learningRates.length != groups.size()) {
            throw new ConfigurationException(
                    "got "
                            + learningRates.length
                            + " learning rates for "
                            + groups.size()
                            + " parameter groups; give one per group, in their order");
        }
        double used = Double.isNaN(momentum) ? spec.momentum() : momentum;
        Ranges.requireBelowOne("momentum", used);
        if (spec instanceof SgdSpec && used > 0 && spec.momentum() == 0) {
            throw new ConfigurationException(
                    "momentum "
                            + used
                            + " asked for at a step, but the optimizer was specified without;"
                            + " specify the final one, as in sgd().momentum(0.937)");
        }
        for (int i = 0; i < learningRates.length; i++) {
            Ranges.requireNonNegative("learning rate of group " + i, learningRates[i]);
        }
        for (int i = 0; i < learningRates.length; i++) {
            groups.get(i).step(learningRates[i], used, leftAlone);
        }
    }

    /**
     * Returns what the optimizer remembers of each parameter it has updated, keyed by the
     * parameter's name, a slash and what it is: {@code momentum_buffer}, or {@code exp_avg}, {@code
     * exp_avg_sq} and {@code step}. The arrays are the optimizer's own.
     *
     * <p>Where the state is divided over the ranks this is the rank's shard: names are those of the
     * whole model and no two ranks have one in common, so all ranks' shards put together are the
     * state of an undivided optimizer.
     *
     * @return the state, in the order of groups and parameters
     */
    public LinkedHashMap<String, NDArray> state() {
        LinkedHashMap<String, NDArray> state = new LinkedHashMap<>();
        groups.forEach(group -> group.collectState(state));
        return state;
    }

    /**
     * Returns how much memory the state takes, from the first step on or before.
     *
     * @return bytes
     */
    public long stateBytes() {
        return groups.stream().mapToLong(GroupState::bytes).sum();
    }

    /** Frees the state. Idempotent. */
    @Override
    public void close() {
        groups.forEach(GroupState::close);
        manager.close();
    }
}
