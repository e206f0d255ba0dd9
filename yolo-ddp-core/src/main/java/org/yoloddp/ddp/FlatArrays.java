package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Work;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/** Arrays of one type and a flat buffer of the communicator that they are copied through. */
final class FlatArrays implements AutoCloseable {

    private final Collectives collectives;
    private final List<Work> running = new ArrayList<>();
    private final CommBuffer buffer;
    private final NDManager manager;
    private final TensorList arrays;
    private final TensorList views;
    private final String tag;

    private FlatArrays(
            Collectives collectives,
            DataType type,
            List<StateDict.Entry> entries,
            String tag,
            NDManager parent) {
        this.collectives = collectives;
        this.tag = tag;
        long count = entries.stream().mapToLong(entry -> entry.array().size()).sum();
        buffer = collectives.allocate(ElementTypes.of(entries.get(0)), count);
        manager = parent.newSubManager();
        NDArray flat = collectives.array(manager, buffer, type);
        List<NDArray> inModel = new ArrayList<>();
        List<NDArray> inBuffer = new ArrayList<>();
        long offset = 0;
        for (StateDict.Entry entry : entries) {
            NDArray array = entry.array();
            inModel.add(array);
            NDArray part = flat.get("{}:{}", offset, offset + array.size());
            inBuffer.add(part.reshape(array.getShape()));
            offset += array.size();
        }
        arrays = TensorList.of(inModel);
        views = TensorList.of(inBuffer);
    }

    /** Groups entries by type; the order is that of the first entry of each type. */
    static List<FlatArrays> of(
            Collectives collectives, List<StateDict.Entry> entries, String what, NDManager parent) {
        Map<DataType, List<StateDict.Entry>> byType = new LinkedHashMap<>();
        for (StateDict.Entry entry : entries) {
            byType.computeIfAbsent(entry.array().getDataType(), t -> new ArrayList<>()).add(entry);
        }
        List<FlatArrays> flats = new ArrayList<>();
        byType.forEach(
                (type, members) ->
                        flats.add(
                                new FlatArrays(
                                        collectives, type, members, what + " " + type, parent)));
        return flats;
    }

    /** Copies rank 0's arrays to all ranks. */
    void broadcast() {
        broadcast(0);
    }

    /** Copies a rank's arrays to all ranks. */
    void broadcast(int source) {
        boolean root = collectives.communicator().rank() == source;
        if (root) {
            views.copyFrom(arrays);
        }
        Collectives.forgetEnded(running);
        Work work = collectives.broadcast(buffer, source, tag);
        running.add(work);
        collectives.finish(work);
        if (!root) {
            arrays.copyFrom(views);
        }
    }

    /** Frees the buffer; after a failed broadcast it is left to the communicator instead. */
    @Override
    public void close() {
        arrays.close();
        views.close();
        manager.close();
        if (collectives.settle(running)) {
            buffer.close();
        }
    }
}
