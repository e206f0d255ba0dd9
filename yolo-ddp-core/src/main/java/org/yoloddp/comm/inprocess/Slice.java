package org.yoloddp.comm.inprocess;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.HostReduction;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;

/**
 * A piece of an operation: some elements of every rank's buffer. Slices are disjoint, so any thread
 * may do any of them at any time, in place.
 *
 * @param owner the rank that has the elements before or after, -1 if all have
 * @param from the first element
 * @param count the number of elements
 */
record Slice(int owner, long from, int count) {

    /** Large enough to be worth claiming, small enough to share out evenly. */
    private static final int BYTES = 256 << 10;

    static List<Slice> plan(Op op) {
        Fingerprint call = op.call(op.participants[0]);
        DType dtype = call.dtype();
        List<Slice> slices = new ArrayList<>();
        if (dtype == null || op.participants.length == 1) {
            return slices;
        }
        switch (call.operation()) {
            case ALL_GATHER, REDUCE_SCATTER -> {
                long from = 0;
                for (int rank = 0; rank < call.counts().size(); rank++) {
                    long count = call.counts().get(rank);
                    cut(slices, rank, from, count, dtype);
                    from += count;
                }
            }
            case BROADCAST -> cut(slices, call.peer(), 0, call.count(), dtype);
            case SEND -> cut(slices, op.participants[0], 0, call.count(), dtype);
            case RECV -> cut(slices, op.participants[1], 0, call.count(), dtype);
            default -> cut(slices, -1, 0, call.count(), dtype);
        }
        return slices;
    }

    private static void cut(List<Slice> slices, int owner, long from, long count, DType dtype) {
        int step = BYTES / dtype.bytes();
        for (long at = 0; at < count; at += step) {
            slices.add(new Slice(owner, from + at, (int) Math.min(step, count - at)));
        }
    }

    void execute(Op op) {
        Fingerprint call = op.call(op.participants[0]);
        ReduceOp reduce = call.op();
        DType dtype = call.dtype();
        if (reduce == null || dtype == null) {
            HostBuffer source = op.buffer(owner);
            for (int rank : op.participants) {
                if (rank != owner) {
                    source.copyTo(op.buffer(rank), from, from, count);
                }
            }
            return;
        }
        ByteBuffer[] in = new ByteBuffer[op.participants.length];
        for (int rank : op.participants) {
            in[rank] = op.buffer(rank).window(from, count);
        }
        ByteBuffer[] out =
                call.operation() == Operation.REDUCE_SCATTER ? new ByteBuffer[] {in[owner]} : in;
        HostReduction.of(dtype, reduce, in.length).reduce(in, out, count);
    }
}
