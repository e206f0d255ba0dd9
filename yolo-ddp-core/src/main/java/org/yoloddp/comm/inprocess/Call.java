package org.yoloddp.comm.inprocess;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;

/** What a rank asks for, before it has a sequence number. */
record Call(
        Operation operation,
        @Nullable HostBuffer buffer,
        @Nullable ReduceOp op,
        int peer,
        List<Long> counts,
        String tag) {

    boolean isMessage() {
        return operation == Operation.SEND || operation == Operation.RECV;
    }

    Fingerprint fingerprint(String group, long sequence) {
        DType dtype = buffer == null ? null : buffer.dtype();
        long count = buffer == null ? 0 : buffer.count();
        return new Fingerprint(group, sequence, operation, dtype, count, op, peer, counts, tag);
    }
}
