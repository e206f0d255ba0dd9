package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Work;
import org.yoloddp.torch.DeviceMoments;
import org.yoloddp.torch.TensorList;

/**
 * The statistics of one batch norm over all ranks where they are on a device: in the order of its
 * stream, so that neither forward nor backward makes the host wait. Its memory is kept, since
 * allocating some would wait too.
 */
final class DeviceStatistics implements AutoCloseable {

    private final Collectives collectives;
    private final String path;
    private final int channels;
    private final NDManager manager;
    private final long[] counts;
    private final CommBuffer gathered;
    private final CommBuffer summed;
    private final NDArray rows;
    private final TensorList mine;
    private final TensorList sums;
    private final List<Work> running = new ArrayList<>();

    /**
     * @param like an array on the device
     */
    DeviceStatistics(Collectives collectives, String path, int channels, NDArray like) {
        this.collectives = collectives;
        this.path = path;
        this.channels = channels;
        Communicator group = collectives.communicator();
        int each = DeviceMoments.count(channels);
        counts = new long[group.size()];
        Arrays.fill(counts, each);
        gathered = collectives.allocate(DType.F64, (long) each * counts.length);
        summed = collectives.allocate(DType.F64, 2L * channels);
        manager = NDManager.newBaseManager(like.getDevice());
        rows = collectives.array(manager, gathered, DataType.FLOAT64);
        long from = (long) each * group.rank();
        mine = TensorList.of(List.of(rows.get("{}:{}", from, from + each)));
        sums = TensorList.of(List.of(collectives.array(manager, summed, DataType.FLOAT64)));
    }

    int channels() {
        return channels;
    }

    /** Returns the statistics of all ranks' batches, an array of x's manager. */
    NDArray whole(NDArray x) {
        try (NDArray own = DeviceMoments.of(x);
                TensorList part = TensorList.of(List.of(own))) {
            mine.copyFrom(part);
        }
        finish(collectives.allGather(gathered, counts, "statistics of " + path));
        return DeviceMoments.combine(x.getManager(), rows, channels);
    }

    /** Adds numbers up over all ranks, in place; on the thread of this part of backward. */
    void add(NDArray numbers) {
        try (TensorList part = TensorList.of(List.of(numbers))) {
            sums.copyFrom(part);
            finish(collectives.sum(summed, "gradient of " + path));
            part.copyFrom(sums);
        }
    }

    private void finish(Work work) {
        synchronized (running) {
            Collectives.forgetEnded(running);
            running.add(work);
        }
        collectives.finish(work);
    }

    /** Frees the memory; after a failure it is left to the communicator. */
    @Override
    public void close() {
        mine.close();
        sums.close();
        manager.close();
        if (collectives.settle(List.copyOf(running))) {
            gathered.close();
            summed.close();
        }
    }
}
