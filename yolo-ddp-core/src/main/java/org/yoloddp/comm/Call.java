package org.yoloddp.comm;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a rank asks for, before it has a sequence number.
 *
 * @param operation what is to be done
 * @param buffer the memory, null where no data is moved
 * @param op how contributions are combined, null where they are not
 * @param peer the root or the other rank, -1 where there is none
 * @param counts the shares, or the ranks of a split; empty otherwise
 * @param tag the caller's name for it
 */
public record Call(
        Operation operation,
        @Nullable CommBuffer buffer,
        @Nullable ReduceOp op,
        int peer,
        List<Long> counts,
        String tag) {

    /**
     * Copies the list.
     *
     * @param operation what is to be done
     * @param buffer the memory, null where no data is moved
     * @param op how contributions are combined, null where they are not
     * @param peer the root or the other rank, -1 where there is none
     * @param counts the shares, or the ranks of a split; empty otherwise
     * @param tag the caller's name for it
     */
    public Call {
        counts = List.copyOf(counts);
    }

    /**
     * Tells messages between two ranks from collectives.
     *
     * @return true for sending and receiving
     */
    public boolean isMessage() {
        return operation.isMessage();
    }

    /**
     * Returns the memory as a buffer on the host.
     *
     * @return the buffer, null where no data is moved
     */
    public @Nullable HostBuffer hostBuffer() {
        return buffer == null ? null : HostBuffer.of(buffer);
    }

    /**
     * Returns what all ranks must agree in.
     *
     * @param group the name of the group
     * @param sequence the number of the collective, or of the message between its two ranks
     * @return the fingerprint
     */
    public Fingerprint fingerprint(String group, long sequence) {
        DType dtype = buffer == null ? null : buffer.dtype();
        long count = buffer == null ? 0 : buffer.count();
        return new Fingerprint(group, sequence, operation, dtype, count, op, peer, counts, tag);
    }
}
