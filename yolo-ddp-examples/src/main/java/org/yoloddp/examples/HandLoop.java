package org.yoloddp.examples;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.ddp.Replica;
import org.yoloddp.ddp.StepFlags;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.FusedSteps;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GraphMemory;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.BatchPlan;
import org.yoloddp.train.BatchStream;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Loading;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingBatch;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingTask;

/**
 * The training loop of one rank as one would write it straight on the bridge to libtorch, without
 * the trainer: forward, loss, backward, clipping, fused SGD, average of the weights. Between
 * backward and clipping comes nothing, a barrier, or a replica's reduction. Used by one thread.
 */
final class HandLoop implements AutoCloseable {

    private final NDManager manager = NDManager.newBaseManager();
    private final GraphMemory graphMemory;
    private final Block block;
    private final ParameterStore store;
    private final StateDict state;
    private final TrainingLoss loss;
    private final BatchStream batches;
    private final @Nullable Replica replica;
    private final @Nullable Communicator barrier;
    private final TensorList gradients;
    private final TensorList weights;
    private final TensorList averages;
    private final List<Group> groups = new ArrayList<>();
    private double lossSum;
    private boolean first = true;

    /** What one call of the fused optimizer updates. */
    private record Group(
            TensorList parameters, TensorList gradients, TensorList momentum, double decay) {}

    /** The loop of a single rank, with gradients wherever autograd puts them. */
    static HandLoop bare(TrainingTask task, int threads) {
        return new HandLoop(task, threads, null, null, null);
    }

    /** The loop of one of several ranks that don't know of each other. */
    static HandLoop alone(TrainingTask task, int threads) {
        Communicator self =
                InProcessCommunicator.group(1, Deadlines.defaults().collective()).get(0);
        return new HandLoop(task, threads, self, Reduction.defaults(), null);
    }

    /**
     * The loop of one of several ranks that wait for each other in each step, with gradients in
     * buckets like those of {@link #together}, but exchange nothing; all are made at once.
     */
    static HandLoop waiting(TrainingTask task, int threads, Communicator ranks) {
        return new HandLoop(task, threads, new WithoutExchange(ranks), Reduction.defaults(), ranks);
    }

    /** The loop of one of several ranks that average their gradients; all are made at once. */
    static HandLoop together(
            TrainingTask task, int threads, Communicator ranks, Reduction reduction) {
        return new HandLoop(task, threads, ranks, reduction, null);
    }

    private HandLoop(
            TrainingTask task,
            int threads,
            @Nullable Communicator ranks,
            @Nullable Reduction reduction,
            @Nullable Communicator barrier) {
        TorchRuntime.setThreads(threads);
        this.barrier = barrier;
        graphMemory = GraphMemory.of(manager);
        int batch = task.trainingData().size();
        Communicator self =
                ranks == null
                        ? InProcessCommunicator.group(1, Deadlines.defaults().collective()).get(0)
                        : ranks;
        RankContext rank =
                new RankContext(
                        self.rank(),
                        self.size(),
                        self.rank(),
                        self.size(),
                        Device.cpu(),
                        threads,
                        0,
                        self,
                        manager,
                        Deadlines.defaults());
        block = task.createBlock(rank);
        store = new ParameterStore(manager, false);
        state = initialised(task, batch);
        loss = task.createLoss(rank, block);
        batches =
                task.trainingData()
                        .open(new BatchPlan(rank, 0, new int[batch], batch, Loading.defaults()));
        List<NDArray> trainable = state.trainable().stream().map(StateDict.Entry::array).toList();
        trainable.forEach(array -> array.setRequiresGradient(true));
        if (ranks == null || reduction == null) {
            replica = null;
            // Autograd makes the gradients.
            computeGradients();
        } else {
            replica = Replica.create(ranks, state, reduction, manager);
        }
        gradients = TensorList.ofGradients(trainable);
        gradients.zero();
        List<NDArray> floating =
                state.entries().stream()
                        .map(StateDict.Entry::array)
                        .filter(array -> array.getDataType().isFloating())
                        .toList();
        weights = TensorList.of(floating);
        averages = TensorList.of(zerosLike(floating));
        averages.copyFrom(weights);
        for (ParameterGroup group : task.parameterGroups(block, BenchTasks.WEIGHT_DECAY)) {
            List<NDArray> members =
                    group.parameters().stream().map(name -> state.get(name).array()).toList();
            groups.add(
                    new Group(
                            TensorList.of(members),
                            TensorList.ofGradients(members),
                            TensorList.of(zerosLike(members)),
                            group.weightDecay()));
        }
    }

    private StateDict initialised(TrainingTask task, int batch) {
        try (GradMode off = GradMode.disabled()) {
            if (!block.isInitialized()) {
                block.initialize(manager, DataType.FLOAT32, task.inputShapes(batch));
            }
            StateDict made = StateDict.of(block);
            for (StateDict.Entry entry : made.entries()) {
                entry.array().attach(manager);
                if (entry.array().getShape().dimension() == 4) {
                    Layouts.toChannelsLast(entry.array());
                }
            }
            return made;
        }
    }

    /** With their strides, which zerosLike() would forget. */
    private List<NDArray> zerosLike(List<NDArray> arrays) {
        try (GradMode off = GradMode.disabled()) {
            List<NDArray> zeros = new ArrayList<>();
            for (NDArray array : arrays) {
                NDArray zero = array.duplicate();
                zero.attach(manager);
                zeros.add(zero);
            }
            try (TensorList list = TensorList.of(zeros)) {
                list.zero();
            }
            return zeros;
        }
    }

    /** Takes steps and returns how many milliseconds each took. */
    double[] run(int steps) {
        double[] millis = new double[steps];
        try (GradMode on = GradMode.enabled()) {
            for (int i = 0; i < steps; i++) {
                long start = System.nanoTime();
                step();
                millis[i] = (System.nanoTime() - start) / 1e6;
            }
        }
        return millis;
    }

    private void step() {
        if (replica != null) {
            replica.broadcastBuffers();
        }
        computeGradients();
        if (replica != null) {
            replica.reduceGradients(StepFlags.NONE);
        }
        if (barrier != null) {
            barrier.barrier("step").await(barrier.deadline());
        }
        gradients.clipToNorm(BenchTasks.CLIP_NORM);
        for (Group group : groups) {
            FusedSteps.sgd(
                    group.parameters(),
                    group.gradients(),
                    group.momentum(),
                    BenchTasks.LEARNING_RATE,
                    BenchTasks.MOMENTUM,
                    0,
                    group.decay(),
                    true,
                    first);
        }
        first = false;
        if (replica == null) {
            gradients.zero();
        } else {
            replica.zeroGradients();
        }
        averages.ema(weights, BenchTasks.AVERAGE_DECAY);
    }

    private void computeGradients() {
        try (GradMode on = GradMode.enabled();
                NDManager scope = manager.newSubManager()) {
            TrainingBatch batch = batches.next(scope);
            for (NDArray input : batch.data()) {
                if (input.getShape().dimension() == 4) {
                    Layouts.toChannelsLast(input);
                }
            }
            NDList predictions = block.forward(store, batch.data(), true);
            LossValue value = loss.evaluate(batch.labels(), predictions);
            lossSum += value.total().toType(DataType.FLOAT32, false).getFloat();
            if (replica != null) {
                replica.armReduction();
            }
            Autograd.backward(value.total());
            graphMemory.release();
        }
    }

    /** The sum of all losses, which a training would log. */
    double lossSum() {
        return lossSum;
    }

    @Override
    public void close() {
        for (Group group : groups) {
            group.parameters().close();
            group.gradients().close();
            group.momentum().close();
        }
        averages.close();
        weights.close();
        gradients.close();
        if (replica != null) {
            replica.close();
        }
        batches.close();
        manager.close();
    }
}
