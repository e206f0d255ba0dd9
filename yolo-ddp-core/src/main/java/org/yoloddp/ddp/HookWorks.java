package org.yoloddp.ddp;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/** The memory that a hook exchanges, freed only if nobody can be working on it any more. */
final class HookWorks implements AutoCloseable {

    private final Communicator communicator;
    private final List<CommBuffer> buffers = new ArrayList<>();
    private final List<Work> running = new ArrayList<>();

    HookWorks(Communicator communicator) {
        this.communicator = communicator;
    }

    CommBuffer allocate(DType dtype, long count) {
        CommBuffer buffer = communicator.allocate(dtype, count);
        buffers.add(buffer);
        return buffer;
    }

    /** Starts to average a buffer over the ranks. */
    CommunicationHook.Pending average(CommBuffer buffer, String tag) {
        Work work = communicator.allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, tag);
        running.add(work);
        return deadline -> await(work, deadline);
    }

    private void await(Work work, Duration deadline) {
        work.await(deadline);
        running.remove(work);
    }

    /** Frees the buffers; those that a failure left in use are left to the communicator. */
    @Override
    public void close() {
        if (running.isEmpty()) {
            buffers.forEach(CommBuffer::close);
        }
    }
}
