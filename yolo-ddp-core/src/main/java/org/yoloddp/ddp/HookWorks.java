package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Work;

/** The memory that a hook exchanges, freed only if nobody can be working on it any more. */
final class HookWorks implements AutoCloseable {

    private final Collectives collectives;
    private final List<CommBuffer> buffers = new ArrayList<>();
    private final List<Work> running = new ArrayList<>();

    /**
     * @param buckets what the hook reduces: its own memory lies where theirs does
     */
    HookWorks(Communicator communicator, List<GradientBucket> buckets) {
        GradientBucket first = buckets.get(0);
        collectives =
                first instanceof FlatBucket ours
                        ? ours.collectives()
                        : Collectives.of(communicator, first.buffer().device());
    }

    CommBuffer allocate(DType dtype, long count) {
        CommBuffer buffer = collectives.allocate(dtype, count);
        buffers.add(buffer);
        return buffer;
    }

    /** An array over a buffer. */
    NDArray array(NDManager manager, CommBuffer buffer, DataType type) {
        return collectives.array(manager, buffer, type);
    }

    /** Starts to average a buffer over the ranks. */
    CommunicationHook.Pending average(CommBuffer buffer, String tag) {
        Work work = collectives.average(buffer, tag);
        Collectives.forgetEnded(running);
        running.add(work);
        return deadline -> collectives.finish(work, deadline);
    }

    /** Frees the buffers; those that a failure left in use are left to the communicator. */
    @Override
    public void close() {
        if (collectives.settle(running)) {
            buffers.forEach(CommBuffer::close);
        }
    }
}
