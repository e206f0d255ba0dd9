package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.torch.DeviceStream;

/**
 * Some gradients of one element type, side by side in memory that a communicator exchanges. The
 * last bucket has a tail behind its gradients, by which the ranks agree on flags.
 */
public interface GradientBucket {

    /**
     * Returns the bucket's place in the order in which buckets are started.
     *
     * @return the index, from 0
     */
    int index();

    /**
     * Returns the memory of the bucket: gradients, gaps between them that hold zeros, and the tail.
     *
     * @return the buffer, which belongs to the bucket
     */
    CommBuffer buffer();

    /**
     * Returns the stream to which the calling thread's operations on arrays of this bucket go: what
     * produces a collective's data, and what its result is ordered before. To be asked for where it
     * is used: on a GPU hooks are called by a thread of libtorch's own.
     *
     * @return the stream, {@link ComputeStream#HOST} on the host
     */
    default ComputeStream stream() {
        return DeviceStream.current(buffer().device());
    }

    /**
     * Returns an array over the same memory.
     *
     * @return a one-dimensional array, which belongs to the bucket
     */
    NDArray flat();

    /**
     * Lists the gradients of the bucket.
     *
     * @return their places, in ascending order
     */
    List<Slot> slots();

    /**
     * Returns where the tail begins: on the host, a few elements that are 0 or not, of which all
     * ranks must learn whether any rank's was not 0. A reduction may replace their average by any
     * value that tells so.
     *
     * @return the first element of the tail, or the buffer's count if there is none
     */
    long tailOffset();

    /**
     * Returns the length of the tail.
     *
     * @return the number of elements, 0 in all buckets but the last
     */
    long tailCount();

    /**
     * The place of a gradient.
     *
     * @param parameter the name of the parameter
     * @param shape the parameter's shape
     * @param offset the first element
     * @param count the number of elements; they lie in the order of the parameter's strides, so
     *     dense, but for channels_last not in row-major order
     */
    record Slot(String parameter, Shape shape, long offset, long count) {}
}
