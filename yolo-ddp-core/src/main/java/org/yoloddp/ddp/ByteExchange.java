package org.yoloddp.ddp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;

/** Shows every rank's bytes to all ranks. */
final class ByteExchange {

    private ByteExchange() {}

    /**
     * Returns the bytes of all ranks, by rank. Lengths may differ.
     *
     * <p>After a failure the buffers are left to the communicator: another rank may still read.
     */
    static List<byte[]> allGather(Communicator communicator, byte[] mine, String tag) {
        int size = communicator.size();
        int rank = communicator.rank();
        if (size == 1) {
            return List.of(mine);
        }
        long[] one = new long[size];
        Arrays.fill(one, 1);
        CommBuffer lengths = communicator.allocate(DType.I64, size);
        lengths(lengths).putLong(rank * Long.BYTES, mine.length);
        communicator
                .allGather(lengths, one, ComputeStream.HOST, tag + " lengths")
                .await(communicator.deadline());
        long[] counts = new long[size];
        for (int r = 0; r < size; r++) {
            counts[r] = lengths(lengths).getLong(r * Long.BYTES);
        }
        lengths.close();

        CommBuffer all = communicator.allocate(DType.U8, Arrays.stream(counts).sum());
        all.bytes().position(offset(counts, rank)).put(mine);
        communicator.allGather(all, counts, ComputeStream.HOST, tag).await(communicator.deadline());
        List<byte[]> byRank = new ArrayList<>();
        for (int r = 0; r < size; r++) {
            byte[] bytes = new byte[Math.toIntExact(counts[r])];
            all.bytes().position(offset(counts, r)).get(bytes);
            byRank.add(bytes);
        }
        all.close();
        return byRank;
    }

    private static ByteBuffer lengths(CommBuffer buffer) {
        return buffer.bytes().order(ByteOrder.nativeOrder());
    }

    private static int offset(long[] counts, int rank) {
        return Math.toIntExact(Arrays.stream(counts, 0, rank).sum());
    }
}
