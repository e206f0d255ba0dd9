package org.yoloddp.ddp;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.yoloddp.amp.Precision;
import org.yoloddp.amp.PrecisionScope;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.optim.FusedOptimizer;
import org.yoloddp.optim.GradientClip;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TorchRuntime;

/**
 * The training loop of one rank, as small as it gets: everything that may hide a mistake in a
 * reduction is on, that is momentum, weight decay and clipping.
 */
final class MiniLoop implements AutoCloseable {

    static final double LEARNING_RATE = .02;
    static final double MAX_NORM = .7;

    private final Communicator communicator;
    private final NDManager manager = NDManager.newBaseManager();
    private final Precision precision;
    private final Block block;
    private final ParameterStore parameterStore;
    private final StateDict state;
    private final Replica replica;
    private final GradientClip clip;
    private final FusedOptimizer optimizer;
    private final StepRandomness randomness;
    private final List<Double> norms = new ArrayList<>();
    private Consumer<Runnable> backward = Runnable::run;

    /**
     * @param block not yet initialised
     * @param weightSeed where the first weights come from; may differ by rank
     */
    MiniLoop(Communicator communicator, Block block, long weightSeed, Reduction reduction) {
        this(communicator, block, weightSeed, reduction, Precision.float32());
    }

    MiniLoop(
            Communicator communicator,
            Block block,
            long weightSeed,
            Reduction reduction,
            Precision precision) {
        this(
                communicator,
                block,
                weightSeed,
                reduction,
                precision,
                OptimizerSpec.sgd().momentum(.9).nesterov(),
                made -> {});
    }

    MiniLoop(
            Communicator communicator,
            Block block,
            long weightSeed,
            Reduction reduction,
            Precision precision,
            OptimizerSpec spec) {
        this(communicator, block, weightSeed, reduction, precision, spec, made -> {});
    }

    /**
     * @param prepare changes the initialised block, for instance freezes parameters
     */
    MiniLoop(
            Communicator communicator,
            Block block,
            long weightSeed,
            Reduction reduction,
            Precision precision,
            OptimizerSpec spec,
            Consumer<Block> prepare) {
        this(
                Collectives.of(communicator, MemoryDevice.HOST),
                block,
                weightSeed,
                reduction,
                precision,
                spec,
                prepare);
    }

    MiniLoop(
            Collectives collectives,
            Block block,
            long weightSeed,
            Reduction reduction,
            Precision precision,
            OptimizerSpec spec,
            Consumer<Block> prepare) {
        this.precision = precision;
        TorchRuntime.setThreads(1);
        this.communicator = collectives.communicator();
        this.block = MiniNet.initialized(block, manager, weightSeed);
        prepare.accept(block);
        parameterStore = new ParameterStore(manager, false);
        state = StateDict.of(block);
        state.entries().forEach(entry -> Layouts.toChannelsLast(entry.array()));
        replica = Replica.create(collectives, state, reduction, manager);
        clip = GradientClip.create(state, MAX_NORM);
        optimizer =
                FusedOptimizer.create(
                        spec,
                        List.of(
                                new ParameterGroup(
                                        "all",
                                        state.parameters().stream()
                                                .map(StateDict.Entry::name)
                                                .toList(),
                                        5e-3)),
                        state,
                        replica::updates);
        randomness = StepRandomness.of(block, 17, communicator.rank());
    }

    /** Lets somebody else run backward, such as another thread, as libtorch does for a GPU. */
    void backwardBy(Consumer<Runnable> runner) {
        backward = runner;
    }

    /** Trains on this rank's share of the step's samples. */
    StepFlags step(long step, int samplesPerRank, StepFlags requested) {
        backward(step, samplesPerRank);
        return finish(step, requested);
    }

    /** Trains on its share of the samples of several batches, whose gradients add up. */
    void accumulate(long step, int samplesPerRank, int batches) {
        replica.zeroGradients();
        for (int batch = 0; batch < batches; batch++) {
            addGradients(step * batches + batch, samplesPerRank, batch + 1 == batches);
        }
        finish(step, StepFlags.NONE);
    }

    /** Forward, loss and backward alone. */
    void backward(long step, int samplesPerRank) {
        replica.broadcastBuffers();
        replica.zeroGradients();
        randomness.begin(step);
        addGradients(step, samplesPerRank, true);
    }

    private void addGradients(long step, int samplesPerRank, boolean last) {
        int from = communicator.rank() * samplesPerRank;
        try (NDManager scope = manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            NDArray images =
                    Layouts.toChannelsLast(
                            MiniNet.images(scope, step, from, from + samplesPerRank));
            NDArray targets = MiniNet.targets(scope, step, from, from + samplesPerRank);
            NDArray outputs;
            try (PrecisionScope mixed = precision.scope(Device.cpu())) {
                NDList raw = block.forward(parameterStore, new NDList(images), true);
                outputs = precision.toFloat32(raw).singletonOrThrow();
            }
            if (last) {
                replica.armReduction();
            }
            NDArray loss = outputs.sub(targets).square().mean();
            backward.accept(() -> Autograd.backward(loss));
        }
    }

    /** What the block gives for images that don't belong to the training, in its precision. */
    float[] outputs(long seed) {
        try (NDManager scope = manager.newSubManager()) {
            return outputs(block, scope, seed);
        }
    }

    /** What a block gives that has this one's weights and has never computed before. */
    float[] outputsOfAFreshModel(Block fresh, long seed) {
        try (NDManager scope = NDManager.newBaseManager()) {
            StateDict copy = StateDict.of(MiniNet.initialized(fresh, scope, 99));
            copy.entries().forEach(entry -> Layouts.toChannelsLast(entry.array()));
            state.copyInto(copy);
            return outputs(fresh, scope, seed);
        }
    }

    /** With gradients, since only then libtorch would keep its copies. */
    private float[] outputs(Block computing, NDManager scope, long seed) {
        NDArray images = Layouts.toChannelsLast(MiniNet.images(scope, seed, 0, 3));
        ParameterStore store = new ParameterStore(scope, false);
        try (GradMode on = GradMode.enabled();
                PrecisionScope mixed = precision.scope(Device.cpu())) {
            NDList raw = computing.forward(store, new NDList(images), true);
            return precision.toFloat32(raw).singletonOrThrow().toFloatArray();
        }
    }

    private StepFlags finish(long step, StepFlags requested) {
        StepFlags agreed = replica.reduceGradients(requested);
        norms.add(clip.apply());
        optimizer.step(new double[] {LEARNING_RATE}, Double.NaN, replica.unusedEverywhere());
        replica.gatherParameters();
        replica.verify(step + 1);
        return agreed;
    }

    StateDict state() {
        return state;
    }

    Replica replica() {
        return replica;
    }

    FusedOptimizer optimizer() {
        return optimizer;
    }

    /** The norm of the gradients before clipping, by step. */
    List<Double> norms() {
        return norms;
    }

    /** All parameters, one after the other. */
    float[] parameters() {
        return flat(state.parameters());
    }

    float[] buffers() {
        return flat(state.buffers());
    }

    private static float[] flat(List<StateDict.Entry> entries) {
        int size = entries.stream().mapToInt(e -> Math.toIntExact(e.array().size())).sum();
        float[] flat = new float[size];
        int at = 0;
        for (StateDict.Entry entry : entries) {
            float[] values = entry.array().toFloatArray();
            System.arraycopy(values, 0, flat, at, values.length);
            at += values.length;
        }
        return flat;
    }

    @Override
    public void close() {
        optimizer.close();
        clip.close();
        replica.close();
        manager.close();
    }
}
