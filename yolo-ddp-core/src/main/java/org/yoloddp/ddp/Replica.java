package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.ddp.ModelComparison.Described;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;

/**
 * One rank's copy of the model: equal to the others' at the start, and kept equal by averaging
 * gradients.
 *
 * <p>A step of each rank is
 *
 * <pre>{@code
 * replica.broadcastBuffers();                 // before a training forward
 * replica.zeroGradients();
 * ... forward, loss, backward (several times, to accumulate) ...
 * replica.armReduction();                     // before the last backward
 * ... backward ...
 * StepFlags agreed = replica.reduceGradients(requested);
 * ... clip, step of an optimizer of the parameters that it updates() ...
 * replica.gatherParameters();                 // does nothing unless its state is sharded
 * ... average of weights ...
 * replica.verify(step);
 * }</pre>
 *
 * <p>Parameters may share an array, under several names: it has one gradient, and is updated once.
 * Which parameters are trained is settled when the replica is created.
 *
 * <p>With one rank nothing is copied or exchanged. Not thread-safe; belongs to one rank. Create it
 * before whatever looks gradients up (optimizer, clipping), and close it after them, but before the
 * model's arrays and the communicator.
 */
public final class Replica implements AutoCloseable {

    private final Communicator communicator;
    private final Collectives collectives;
    private final StateDict state;
    private final Reduction reduction;
    private final Gradients gradients;
    private final List<FlatArrays> buffers;
    private final @Nullable OptimizerShards shards;
    private final NDManager manager;
    private int bufferSource;
    private long exposedNanos;
    private boolean closed;

    private Replica(
            Collectives collectives,
            StateDict state,
            Reduction reduction,
            Gradients gradients,
            List<FlatArrays> buffers,
            @Nullable OptimizerShards shards,
            NDManager manager) {
        this.communicator = collectives.communicator();
        this.collectives = collectives;
        this.state = state;
        this.reduction = reduction;
        this.gradients = gradients;
        this.buffers = buffers;
        this.shards = shards;
        this.manager = manager;
    }

    /**
     * Compares what all ranks have built, copies rank 0's parameters and buffers to all, and binds
     * every trainable parameter's gradient to a bucket. All ranks call it.
     *
     * @param communicator the group of ranks
     * @param state the model's parameters and buffers, in their final layout, all on one device:
     *     the host, or a GPU of which the communicator takes memory
     * @param reduction how gradients are reduced
     * @param manager the parent of what the replica allocates
     * @return the replica
     * @throws ReplicaMismatchException if the ranks have built unequal models
     * @throws NoTrainableParameterException if there is nothing to train
     * @throws ConfigurationException if two trainable parameters share their memory without being
     *     one array
     * @throws org.yoloddp.comm.CollectiveMismatchException if the ranks reduce differently
     * @throws UnsupportedElementTypeException if the model holds elements that cannot be exchanged
     */
    public static Replica create(
            Communicator communicator, StateDict state, Reduction reduction, NDManager manager) {
        return create(Collectives.of(communicator, device(state)), state, reduction, manager);
    }

    /** The device where all arrays live. */
    private static MemoryDevice device(StateDict state) {
        Map<MemoryDevice, String> nameByDevice = new LinkedHashMap<>();
        state.entries().forEach(e -> nameByDevice.putIfAbsent(Devices.memory(e.array()), e.name()));
        if (nameByDevice.size() > 1) {
            throw new ConfigurationException(
                    "the parameters and buffers of a rank live on several devices, "
                            + nameByDevice
                            + "; create the block with the manager of the rank's device");
        }
        return nameByDevice.isEmpty() ? MemoryDevice.HOST : nameByDevice.keySet().iterator().next();
    }

    /** Creates a replica whose arrays are exchanged in a given way. */
    static Replica create(
            Collectives collectives, StateDict state, Reduction reduction, NDManager manager) {
        Communicator communicator = collectives.communicator();
        List<StateDict.Entry> entries = state.entries();
        if (communicator.size() > 1) {
            Map<String, String> aliases = state.aliases();
            ModelComparison.requireEqual(
                    communicator,
                    entries.stream().map(e -> describe(e, aliases.get(e.name()))).toList());
            communicator.barrier(reduction.describe()).await(communicator.deadline());
        }
        List<StateDict.Entry> trainable = state.trainable();
        if (trainable.isEmpty()) {
            throw NoTrainableParameterException.of(state.parameters().size());
        }
        entries.forEach(ElementTypes::of);
        requireDistinctMemory(trainable);
        List<FlatArrays> buffers = List.of();
        if (communicator.size() > 1) {
            List<FlatArrays> parameters =
                    FlatArrays.of(collectives, state.parameters(), "parameters", manager);
            parameters.forEach(FlatArrays::broadcast);
            parameters.forEach(FlatArrays::close);
            buffers = FlatArrays.of(collectives, state.buffers(), "buffers", manager);
            buffers.forEach(FlatArrays::broadcast);
        }
        OptimizerShards shards =
                reduction.shardOptimizerState() && communicator.size() > 1
                        ? OptimizerShards.create(collectives, state.trainable(), manager)
                        : null;
        try {
            return new Replica(
                    collectives,
                    state,
                    reduction,
                    communicator.size() == 1
                            ? new LocalGradients(state)
                            : new GradientReducer(collectives, state, reduction, manager),
                    buffers,
                    shards,
                    manager);
        } catch (Throwable t) {
            if (shards != null) {
                // The parameters may outlive the communicator.
                shards.close();
            }
            throw t;
        }
    }

    /** Layouts are compared too: a gradient lies in its bucket as its parameter does in memory. */
    private static Described describe(StateDict.Entry entry, @Nullable String sharedWith) {
        NDArray array = entry.array();
        String kind =
                entry.buffer() ? "buffer" : entry.trainable() ? "parameter" : "frozen parameter";
        return new Described(
                entry.name(),
                kind
                        + " "
                        + array.getDataType()
                        + " "
                        + array.getShape()
                        + (Layouts.isChannelsLast(array) ? " channels_last" : "")
                        + (sharedWith == null ? "" : ", the array of '" + sharedWith + "',"));
    }

    private static void requireDistinctMemory(List<StateDict.Entry> trainable) {
        Map<Long, String> nameByAddress = new HashMap<>();
        for (StateDict.Entry entry : trainable) {
            String other = nameByAddress.put(ForeignMemory.address(entry.array()), entry.name());
            if (other != null) {
                throw new ConfigurationException(
                        "the parameters '"
                                + other
                                + "' and '"
                                + entry.name()
                                + "' are two arrays over one memory, so each would have a gradient"
                                + " of its own; share the array itself, or none");
            }
        }
    }

    /**
     * Says which step follows, for who records events ({@code org.yoloddp.events}).
     *
     * @param step the number of the batch since the start of the training, from 0
     */
    public void atStep(long step) {
        gradients.atStep(step);
    }

    /**
     * Leaves the parameters without a gradient, as {@code zero_grad(set_to_none=True)} does in
     * PyTorch, until a backward has computed one or they are reduced. After the first step the
     * buckets are laid out anew here, in the order in which backward fills them. What the optimizer
     * sees after {@link #reduceGradients} are the same arrays in each step.
     *
     * @throws StepOrderException if gradients are being reduced
     */
    public void zeroGradients() {
        gradients.zero();
    }

    /**
     * Lets the next backward reduce buckets as it fills them: to be called before the last backward
     * of a step, since what is reduced must be complete. Without it, all is reduced by {@link
     * #reduceGradients}, with the same bits. Does nothing with one rank, or without overlap.
     *
     * @throws StepOrderException if gradients are being reduced
     */
    public void armReduction() {
        gradients.arm();
    }

    /**
     * Averages the gradients over all ranks, and lets the ranks agree on the flags. All ranks call
     * it once per step, after the last backward; a rank that has run no backward takes part with
     * zeros. If it throws, the group is aborted.
     *
     * @param local what this rank asks for
     * @return what any rank asks for: the same on all ranks
     * @throws UnusedParameterException if backward has left out a parameter, with several ranks and
     *     unless the reduction looks for unused parameters
     * @throws TrainabilityChangedException if a parameter was frozen or unfrozen meanwhile
     * @throws StepOrderException if backward ran twice after {@link #armReduction}
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public StepFlags reduceGradients(StepFlags local) {
        return gradients.reduce(local);
    }

    /**
     * Returns which parameters no rank has used in the step that was last reduced: the optimizer
     * leaves them alone. Equal on all ranks.
     *
     * @return names; empty if all were used, if no rank has run a backward, and, with several
     *     ranks, unless the reduction looks for unused parameters
     */
    public Set<String> unusedEverywhere() {
        return gradients.unused();
    }

    /**
     * Tells a communication hook by what the loss is multiplied from the next step on, since what
     * it keeps from step to step is not to change with it. All ranks call it alike, between steps.
     *
     * @param scale the factor, finite and above 0; 1 until this is called
     */
    public void lossScale(double scale) {
        gradients.lossScale(scale);
    }

    /**
     * Says whether a gradient of this rank that is infinite or not a number is a failure, which
     * names rank and parameter, and is thrown before the average would spread it: where several
     * ranks train without a loss scale. Gradients in the memory of the host are looked at, of the
     * small parameters.
     *
     * @param on true to fail with a {@link NonFiniteGradientException}; false by default
     */
    public void requireFiniteGradients(boolean on) {
        gradients.requireFinite(on);
    }

    /**
     * Tells which parameters this rank's optimizer updates: all that are trained, or this rank's
     * shard of them if the optimizer's state is divided over the ranks. All ranks' shards together
     * are all trained parameters, and no two have one in common.
     *
     * @param parameter the name of a trained parameter
     * @return whether it is this rank that updates it
     */
    public boolean updates(String parameter) {
        return shards == null || shards.owned().contains(parameter);
    }

    /**
     * Gives all ranks the parameters that each has updated, if the optimizer's state is divided
     * over the ranks. All ranks call it after the optimizer's step.
     *
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void gatherParameters() {
        if (shards == null) {
            return;
        }
        long from = System.nanoTime();
        shards.gather();
        exposedNanos += System.nanoTime() - from;
    }

    /**
     * Takes back what the last reduction did to the state of a communication hook, because its
     * gradients are not finite and the optimizer skips the step. All ranks call it alike.
     */
    public void stepSkipped() {
        gradients.stepSkipped();
    }

    /**
     * Says whose buffers are copied to the others from now on: by default rank 0's. When rank 0 has
     * run out of data, its buffers fall behind. All ranks call it alike.
     *
     * @param rank the source of {@link #broadcastBuffers}, also of those in a comparison
     */
    public void takeBuffersFrom(int rank) {
        bufferSource = rank;
    }

    /**
     * Copies one rank's buffers, such as running statistics, to all ranks: rank 0's, unless {@link
     * #takeBuffersFrom} says otherwise. All ranks call it.
     *
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void broadcastBuffers() {
        if (buffers.isEmpty()) {
            return;
        }
        long from = System.nanoTime();
        buffers.forEach(flat -> flat.broadcast(bufferSource));
        exposedNanos += System.nanoTime() - from;
    }

    /**
     * Copies one rank's buffers of another state, such as averaged weights, to all ranks: those of
     * the same rank. All ranks call it.
     *
     * @param other the state, of the same structure on all ranks
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void broadcastBuffers(StateDict other) {
        if (communicator.size() == 1) {
            return;
        }
        for (FlatArrays flat :
                FlatArrays.of(collectives, other.buffers(), "averaged buffers", manager)) {
            flat.broadcast(bufferSource);
            flat.close();
        }
    }

    /**
     * Compares the ranks' bits if it is this step's turn. All ranks call it.
     *
     * @param step the number of steps done
     * @throws ReplicaDivergedException if the ranks differ
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void verify(long step) {
        if (reduction.verifyEvery() > 0 && step % reduction.verifyEvery() == 0) {
            verifyNow(step);
        }
    }

    /**
     * Broadcasts the buffers and compares the ranks' bits, entry by entry. All ranks call it.
     *
     * @param step the number of steps done, for the message
     * @throws ReplicaDivergedException if the ranks differ
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void verifyNow(long step) {
        if (communicator.size() > 1) {
            broadcastBuffers();
            BitComparison.requireEqual(communicator, state.entries(), step);
        }
    }

    /**
     * Broadcasts the buffers and collects the hashes of all ranks. All ranks call it.
     *
     * @param step the number of steps done, for the message
     * @return the hashes, equal on all ranks
     * @throws ReplicaDivergedException if the ranks differ
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public ReplicaHashes hashes(long step) {
        broadcastBuffers();
        ReplicaHashes hashes =
                new ReplicaHashes(
                        BitComparison.gather(
                                communicator,
                                StateDict.sha256(state.parameters()),
                                "hash of parameters"),
                        BitComparison.gather(
                                communicator,
                                StateDict.sha256(state.buffers()),
                                "hash of buffers"));
        if (!hashes.equalOnAllRanks()) {
            BitComparison.requireEqual(communicator, state.entries(), step);
        }
        return hashes;
    }

    /**
     * Returns how long this rank has waited for communication since the last call: the part that no
     * computation hid.
     *
     * @return milliseconds
     */
    public double takeExposedMillis() {
        double millis = (exposedNanos + gradients.takeExposedNanos()) / 1e6;
        exposedNanos = 0;
        return millis;
    }

    /** Takes the gradients off the parameters and frees the buckets. Idempotent. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            gradients.close();
            buffers.forEach(FlatArrays::close);
            if (shards != null && !gradients.inUse()) {
                shards.close();
            }
        }
    }
}
