package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Work;
import org.yoloddp.torch.DataViews;
import org.yoloddp.torch.StateDict;

/**
 * ZeRO-1: each parameter is updated by one rank, its owner, which alone keeps the optimizer's
 * memory of it; afterwards all ranks collect what the owners have updated.
 *
 * <p>The trainable parameters live in one flat buffer of the communicator per element type, ordered
 * by owner, with their strides and aligned to 64 bytes. So a step's exchange is one all-gather in
 * place that copies nothing on either side. Closing gives the parameters memory of their own again.
 *
 * <p>An update is a function of one parameter, its gradient and its state, and a gather moves bits:
 * results are those of unsharded training, bit by bit.
 */
final class OptimizerShards implements AutoCloseable {

    private final Collectives collectives;
    private final Set<String> owned;
    private final List<Flat> flats = new ArrayList<>();
    private final List<Work> running = new ArrayList<>();
    private final NDManager manager;

    /** The parameters of one element type. */
    private record Flat(String tag, CommBuffer buffer, long[] counts, List<NDArray> parameters) {}

    private OptimizerShards(
            Collectives collectives, List<StateDict.Entry> trainable, NDManager parent) {
        this.collectives = collectives;
        Communicator communicator = collectives.communicator();
        manager = parent.newSubManager();
        int[] owners =
                ShardAssignment.owners(
                        trainable.stream().map(entry -> entry.array().size()).toList(),
                        communicator.size());
        Set<String> names = new LinkedHashSet<>();
        Map<DataType, List<List<StateDict.Entry>>> byTypeAndOwner = new LinkedHashMap<>();
        for (int i = 0; i < owners.length; i++) {
            StateDict.Entry entry = trainable.get(i);
            byTypeAndOwner
                    .computeIfAbsent(entry.array().getDataType(), type -> emptyLists())
                    .get(owners[i])
                    .add(entry);
            if (owners[i] == communicator.rank()) {
                names.add(entry.name());
            }
        }
        owned = Collections.unmodifiableSet(names);
        byTypeAndOwner.forEach((type, byOwner) -> flats.add(flat(type, byOwner)));
    }

    /**
     * Moves the trainable parameters into flat buffers.
     *
     * @param trainable the trainable parameters, in model order and their final layout
     */
    static OptimizerShards create(
            Collectives collectives, List<StateDict.Entry> trainable, NDManager parent) {
        return new OptimizerShards(collectives, trainable, parent);
    }

    private List<List<StateDict.Entry>> emptyLists() {
        List<List<StateDict.Entry>> lists = new ArrayList<>();
        for (int rank = 0; rank < collectives.communicator().size(); rank++) {
            lists.add(new ArrayList<>());
        }
        return lists;
    }

    private Flat flat(DataType type, List<List<StateDict.Entry>> byOwner) {
        List<NDArray> parameters = new ArrayList<>();
        List<Long> offsets = new ArrayList<>();
        long[] counts = new long[byOwner.size()];
        long end = 0;
        for (int rank = 0; rank < counts.length; rank++) {
            long start = end;
            for (StateDict.Entry entry : byOwner.get(rank)) {
                parameters.add(entry.array());
                offsets.add(end);
                end = BucketLayout.aligned(end + entry.array().size(), ElementTypes.of(entry));
            }
            counts[rank] = end - start;
        }
        CommBuffer buffer = collectives.allocate(ElementTypes.of(first(byOwner)), end);
        NDArray flat = collectives.array(manager, buffer, type);
        for (int i = 0; i < parameters.size(); i++) {
            DataViews.bind(parameters.get(i), flat, offsets.get(i));
        }
        return new Flat("updated parameters " + type, buffer, counts, parameters);
    }

    private static StateDict.Entry first(List<List<StateDict.Entry>> byOwner) {
        return byOwner.stream().flatMap(List::stream).findFirst().orElseThrow();
    }

    /** The names of the parameters that this rank updates, in model order. */
    Set<String> owned() {
        return owned;
    }

    /** Gives all ranks what the owners have updated. */
    void gather() {
        Collectives.forgetEnded(running);
        List<Work> gathers = new ArrayList<>();
        for (Flat flat : flats) {
            Work work = collectives.allGather(flat.buffer(), flat.counts(), flat.tag());
            gathers.add(work);
            running.add(work);
        }
        gathers.forEach(collectives::finish);
    }

    /**
     * Gives the parameters memory of their own and frees the buffers; those that a failure left in
     * use by other ranks are left to the communicator.
     */
    @Override
    public void close() {
        flats.forEach(flat -> flat.parameters().forEach(DataViews::unbind));
        manager.close();
        if (collectives.settle(running)) {
            flats.forEach(flat -> flat.buffer().close());
        }
    }
}
