package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.time.Duration;
import java.util.Collection;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;
import org.yoloddp.torch.DeviceStream;
import org.yoloddp.torch.ForeignMemory;

/**
 * The collectives of one rank on memory of the device where its arrays live, in order with what
 * libtorch computes there.
 *
 * <p>On the host libtorch is done when a call returns, and whoever needs a result waits for it. On
 * a GPU calls only queue work. So a collective begins behind what the calling thread has queued
 * until then, what follows is queued behind the collective, and the thread itself goes on: nothing
 * here makes the host wait for the device. The stream is asked for at each call, since hooks come
 * on threads of libtorch's own.
 */
final class Collectives {

    private static final Logger LOG = LoggerFactory.getLogger(Collectives.class);

    private final Communicator communicator;
    private final MemoryDevice device;
    private final MemoryDevice arrays;
    private final Supplier<ComputeStream> stream;

    /**
     * @param device what the communicator takes the memory for
     * @param arrays what libtorch takes it for: the same, but for devices of tests
     * @param stream the stream of the calling thread
     */
    Collectives(
            Communicator communicator,
            MemoryDevice device,
            MemoryDevice arrays,
            Supplier<ComputeStream> stream) {
        this.communicator = communicator;
        this.device = device;
        this.arrays = arrays;
        this.stream = stream;
    }

    /** Those on memory of the host or of a GPU. */
    static Collectives of(Communicator communicator, MemoryDevice device) {
        return new Collectives(communicator, device, device, () -> DeviceStream.current(device));
    }

    Communicator communicator() {
        return communicator;
    }

    MemoryDevice device() {
        return device;
    }

    /** Tells whether the host can't see the memory. */
    boolean onDevice() {
        return !device.isHost();
    }

    /** The stream to which the calling thread's operations on arrays go now. */
    ComputeStream stream() {
        return stream.get();
    }

    CommBuffer allocate(DType dtype, long count) {
        return communicator.allocate(dtype, count, device);
    }

    /** A one-dimensional array over a buffer. */
    NDArray array(NDManager manager, CommBuffer buffer, DataType type) {
        return ForeignMemory.array(manager, buffer.address(), type, buffer.count(), arrays, buffer);
    }

    /** Averages a buffer, behind what the calling thread has computed. */
    Work average(CommBuffer buffer, String tag) {
        return communicator.allReduce(buffer, ReduceOp.AVG, stream(), tag);
    }

    /** Adds a buffer up, behind what the calling thread has computed. */
    Work sum(CommBuffer buffer, String tag) {
        return communicator.allReduce(buffer, ReduceOp.SUM, stream(), tag);
    }

    Work broadcast(CommBuffer buffer, int root, String tag) {
        return communicator.broadcast(buffer, root, stream(), tag);
    }

    Work allGather(CommBuffer buffer, long[] counts, String tag) {
        return communicator.allGather(buffer, counts, stream(), tag);
    }

    /** Lets what the calling thread does next with the buffer find the result. */
    void finish(Work work) {
        finish(work, communicator.deadline());
    }

    /**
     * Lets what the calling thread does next with the buffer find the result.
     *
     * @param deadline how long the host may wait, where it has to
     */
    void finish(Work work, Duration deadline) {
        if (onDevice()) {
            work.orderBefore(stream());
        } else {
            work.await(deadline);
        }
    }

    /**
     * Waits until collectives have ended, so that their memory may be freed; on the host they have,
     * or never will.
     *
     * @return whether all have ended well: after a failure others may still use the memory
     */
    boolean settle(Collection<Work> works) {
        boolean well = true;
        for (Work work : works) {
            if (onDevice() && !work.isDone()) {
                try {
                    work.await(communicator.deadline());
                } catch (CommunicationException e) {
                    LOG.debug("A collective has ended with the failure of its group", e);
                }
            }
            well &= endedWell(work);
        }
        return well;
    }

    /** Forgets the collectives that have ended well. */
    static void forgetEnded(Collection<Work> works) {
        works.removeIf(Collectives::endedWell);
    }

    static boolean endedWell(Work work) {
        return work.isDone() && work.failure().isEmpty();
    }
}
