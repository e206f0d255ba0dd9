package org.yoloddp.ddp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;

/** Sends the order in which gradients became ready on rank 0 to all ranks. */
final class OrderOfReadiness {

    private OrderOfReadiness() {}

    /**
     * A collective of all ranks. Parameters that rank 0 has not used come last.
     *
     * @param readiness of this rank; only rank 0's counts
     * @param present the order so far
     * @return the order, or null if rank 0 has run no backward
     */
    static int @Nullable [] ofRankZero(
            Communicator communicator, Readiness readiness, int[] present) {
        CommBuffer buffer = communicator.allocate(DType.I32, present.length);
        ByteBuffer bytes = buffer.bytes().order(ByteOrder.nativeOrder());
        if (communicator.rank() == 0) {
            int[] first = readiness.order();
            IntStream rest = IntStream.of(present).filter(i -> !readiness.used().get(i));
            int[] all = IntStream.concat(IntStream.of(first), rest).toArray();
            for (int i = 0; i < all.length; i++) {
                bytes.putInt(i * Integer.BYTES, first.length == 0 ? -1 : all[i]);
            }
        }
        // After a failure the buffer is left to the communicator.
        communicator
                .broadcast(buffer, 0, ComputeStream.HOST, "order of gradients")
                .await(communicator.deadline());
        int[] sent = new int[present.length];
        for (int i = 0; i < sent.length; i++) {
            sent[i] = bytes.getInt(i * Integer.BYTES);
        }
        buffer.close();
        return sent[0] < 0 ? null : sent;
    }
}
