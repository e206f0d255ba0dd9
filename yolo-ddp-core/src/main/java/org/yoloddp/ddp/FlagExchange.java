package org.yoloddp.ddp;

import java.nio.ByteBuffer;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * How the ranks of a step learn which bits any of them has raised.
 *
 * <p>On the host the bits travel in the tail of the last bucket and cost nothing. From a GPU they
 * could only be read by waiting for it, so there they go from host to host, by a collective of a
 * few bytes beside those of the device: it tells all ranks in the same step, and that a rank is
 * gone, while the device is still computing.
 */
final class FlagExchange implements AutoCloseable {

    private final Collectives collectives;
    private @Nullable CommBuffer buffer;
    private @Nullable Work running;

    FlagExchange(Collectives collectives) {
        this.collectives = collectives;
    }

    /**
     * Says which bits this rank raises.
     *
     * @param count how many bits there are, the same in every step
     * @param tail of a bucket that is about to start
     */
    void begin(BitSet raised, int count, BucketTail tail) {
        if (!collectives.onDevice()) {
            tail.write(raised);
            return;
        }
        Communicator communicator = collectives.communicator();
        CommBuffer flags = buffer == null ? communicator.allocate(DType.U8, count) : buffer;
        buffer = flags;
        ByteBuffer bytes = flags.bytes();
        for (int i = 0; i < count; i++) {
            bytes.put(i, (byte) (raised.get(i) ? 1 : 0));
        }
        running = communicator.allReduce(flags, ReduceOp.MAX, ComputeStream.HOST, "flags");
    }

    /** Returns the bits that any rank has raised, once the buckets are reduced. */
    BitSet end(BucketTail tail) {
        if (!collectives.onDevice()) {
            return tail.read();
        }
        BitSet raised = new BitSet();
        if (running != null && buffer != null) {
            running.await(collectives.communicator().deadline());
            ByteBuffer bytes = buffer.bytes();
            for (int i = 0; i < bytes.capacity(); i++) {
                raised.set(i, bytes.get(i) != 0);
            }
        }
        return raised;
    }

    /** After a failure others may still use the buffer, which is left to the communicator then. */
    @Override
    public void close() {
        if (buffer != null && (running == null || Collectives.endedWell(running))) {
            buffer.close();
        }
    }
}
