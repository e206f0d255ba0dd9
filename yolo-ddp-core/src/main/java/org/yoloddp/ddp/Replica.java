package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.ddp.BucketLayout.Gradient;
import org.yoloddp.ddp.ModelComparison.Described;
import org.yoloddp.error.ConfigurationException;
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
 * ... clip, optimizer, average of weights ...
 * replica.verify(step);
 * }</pre>
 *
 * <p>With one rank nothing is copied or exchanged. Not thread-safe; belongs to one rank. Create it
 * before whatever looks gradients up (optimizer, clipping), and close it after them, but before the
 * model's arrays and the communicator.
 */
public final class Replica implements AutoCloseable {

    private final Communicator communicator;
    private final StateDict state;
    private final Reduction reduction;
    private final GradientBuckets buckets;
    private final List<FlatArrays> buffers;
    private final NDManager manager;
    private long exposedNanos;
    private boolean closed;

    private Replica(
            Communicator communicator,
            StateDict state,
            Reduction reduction,
            GradientBuckets buckets,
            List<FlatArrays> buffers,
            NDManager manager) {
        this.communicator = communicator;
        this.state = state;
        this.reduction = reduction;
        this.buckets = buckets;
        this.buffers = buffers;
        this.manager = manager;
    }

    /**
     * Compares what all ranks have built, copies rank 0's parameters and buffers to all, and binds
     * every trainable parameter's gradient to a bucket. All ranks call it.
     *
     * @param communicator the group of ranks
     * @param state the model's parameters and buffers, in their final layout and on the host
     * @param reduction how gradients are reduced
     * @param manager the parent of what the replica allocates
     * @return the replica
     * @throws ReplicaMismatchException if the ranks have built unequal models
     * @throws NoTrainableParameterException if there is nothing to train
     * @throws ConfigurationException if two trainable parameters share their memory
     * @throws UnsupportedElementTypeException if the model holds elements that cannot be exchanged
     */
    public static Replica create(
            Communicator communicator, StateDict state, Reduction reduction, NDManager manager) {
        List<StateDict.Entry> entries = state.entries();
        if (communicator.size() > 1) {
            ModelComparison.requireEqual(
                    communicator, entries.stream().map(Replica::describe).toList());
        }
        List<StateDict.Entry> trainable = new ArrayList<>(state.trainable());
        if (trainable.isEmpty()) {
            throw NoTrainableParameterException.of(state.parameters().size());
        }
        entries.forEach(ElementTypes::of);
        requireDistinctMemory(trainable);
        List<FlatArrays> buffers = List.of();
        if (communicator.size() > 1) {
            List<FlatArrays> parameters =
                    FlatArrays.of(communicator, state.parameters(), "parameters", manager);
            parameters.forEach(FlatArrays::broadcast);
            parameters.forEach(FlatArrays::close);
            buffers = FlatArrays.of(communicator, state.buffers(), "buffers", manager);
            buffers.forEach(FlatArrays::broadcast);
        }
        // Backward goes through the layers from the last to the first.
        Collections.reverse(trainable);
        BucketLayout layout =
                BucketLayout.of(
                        trainable.stream()
                                .map(
                                        entry ->
                                                new Gradient(
                                                        entry.name(),
                                                        ElementTypes.of(entry),
                                                        entry.array().size()))
                                .toList(),
                        reduction,
                        StepFlags.COUNT);
        GradientBuckets buckets =
                GradientBuckets.create(communicator, layout, state, reduction, manager);
        buckets.zero();
        return new Replica(communicator, state, reduction, buckets, buffers, manager);
    }

    /** Layouts are compared too: a gradient lies in its bucket as its parameter does in memory. */
    private static Described describe(StateDict.Entry entry) {
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
                        + (Layouts.isChannelsLast(array) ? " channels_last" : ""));
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
                                + "' share their memory, so an optimizer would update it twice;"
                                + " give each block parameters of its own");
            }
        }
    }

    /** Sets all gradients to zero: one fill per bucket. */
    public void zeroGradients() {
        buckets.zero();
    }

    /**
     * Lets the next backward reduce buckets as it fills them: to be called before the last backward
     * of a step, since what is reduced must be complete. Without it, all is reduced by {@link
     * #reduceGradients}, with the same bits. Does nothing with one rank, or without overlap.
     */
    public void armReduction() {}

    /**
     * Averages the gradients over all ranks, and lets the ranks agree on the flags. All ranks call
     * it once per step, after the last backward.
     *
     * @param local what this rank asks for
     * @return what any rank asks for: the same on all ranks
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public StepFlags reduceGradients(StepFlags local) {
        if (communicator.size() == 1) {
            return local;
        }
        long from = System.nanoTime();
        buckets.start(local);
        StepFlags agreed = buckets.await();
        exposedNanos += System.nanoTime() - from;
        return agreed;
    }

    /**
     * Returns which parameters no rank has used in the step that was last reduced: the optimizer
     * leaves them alone. Equal on all ranks.
     *
     * @return names, empty unless the reduction looks for unused parameters
     */
    public Set<String> unusedEverywhere() {
        return Set.of();
    }

    /**
     * Takes back what the last reduction did to the state of a communication hook, because its
     * gradients are not finite and the optimizer skips the step. All ranks call it alike.
     */
    public void stepSkipped() {
        buckets.stepSkipped();
    }

    /**
     * Copies rank 0's buffers, such as running statistics, to all ranks. All ranks call it.
     *
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void broadcastBuffers() {
        if (buffers.isEmpty()) {
            return;
        }
        long from = System.nanoTime();
        buffers.forEach(FlatArrays::broadcast);
        exposedNanos += System.nanoTime() - from;
    }

    /**
     * Copies rank 0's buffers of another state, such as averaged weights, to all ranks. All ranks
     * call it.
     *
     * @param other the state, of the same structure on all ranks
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void broadcastBuffers(StateDict other) {
        if (communicator.size() == 1) {
            return;
        }
        for (FlatArrays flat :
                FlatArrays.of(communicator, other.buffers(), "averaged buffers", manager)) {
            flat.broadcast();
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
        double millis = exposedNanos / 1e6;
        exposedNanos = 0;
        return millis;
    }

    /** Takes the gradients off the parameters and frees the buckets. Idempotent. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            buckets.close();
            buffers.forEach(FlatArrays::close);
        }
    }
}
