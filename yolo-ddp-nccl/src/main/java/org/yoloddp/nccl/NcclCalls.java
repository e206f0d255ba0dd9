package org.yoloddp.nccl;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;

/** Numbers calls and tells the ledger of them. */
final class NcclCalls {

    private record Route(Operation operation, int peer) {}

    private final NcclGroup group;
    private final Map<Route, Long> messages = new HashMap<>();
    private long count;
    private long collectives;

    NcclCalls(NcclGroup group) {
        this.group = group;
    }

    synchronized Fingerprint next(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            String tag) {
        boolean message = LedgerCall.isMessage(operation);
        long sequence =
                message
                        ? messages.merge(new Route(operation, peer), 1L, Long::sum) - 1
                        : collectives++;
        count++;
        return new Fingerprint(
                group.name,
                sequence,
                operation,
                buffer == null ? null : buffer.dtype(),
                buffer == null ? 0 : buffer.count(),
                op,
                peer,
                counts,
                tag);
    }

    synchronized long count() {
        return count;
    }

    void tell(Fingerprint call) {
        group.session.post(new Note.Posted(group.id, call));
    }
}
