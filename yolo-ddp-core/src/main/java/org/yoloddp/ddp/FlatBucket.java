package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.ddp.BucketLayout.Bucket;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;

/** A bucket in the communicator's memory, into which autograd accumulates. */
record FlatBucket(
        int index,
        CommBuffer buffer,
        NDArray flat,
        List<Slot> slots,
        long tailOffset,
        long tailCount,
        Collectives collectives)
        implements GradientBucket {

    /** Allocates a bucket and lets the gradients of its parameters lie in it. */
    static FlatBucket create(
            Collectives collectives, int index, Bucket layout, StateDict state, NDManager manager) {
        CommBuffer buffer = collectives.allocate(layout.dtype(), layout.totalCount());
        if (buffer instanceof HostBuffer host) {
            // A communicator frees its memory when it is closed, but autograd may still write.
            host.retain();
        }
        DataType type = state.get(layout.slots().get(0).parameter()).array().getDataType();
        NDArray flat = collectives.array(manager, buffer, type);
        List<Slot> slots =
                layout.slots().stream()
                        .map(
                                slot ->
                                        new Slot(
                                                slot.parameter(),
                                                state.get(slot.parameter()).array().getShape(),
                                                slot.offset(),
                                                slot.count()))
                        .toList();
        for (Slot slot : slots) {
            GradientViews.bind(state.get(slot.parameter()).array(), flat, slot.offset());
        }
        return new FlatBucket(
                index,
                buffer,
                flat,
                slots,
                layout.tailCount() == 0 ? buffer.count() : layout.tailOffset(),
                layout.tailCount(),
                collectives);
    }

    @Override
    public ComputeStream stream() {
        return collectives.stream();
    }

    /** Frees the memory. */
    void free() {
        buffer.close();
        if (buffer instanceof HostBuffer host) {
            host.release();
        }
    }
}
