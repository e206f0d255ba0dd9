package org.yoloddp.comm;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one rank asked for. The ranks of a collective must agree in every component; of a message
 * the sender and the receiver agree in all but operation and peer.
 *
 * @param group the name of the group
 * @param sequence the number of the collective in its group, from 0; of a message the number
 *     between its two ranks
 * @param operation what is to be done
 * @param dtype the element type, null where no data is moved
 * @param count the number of elements
 * @param op how contributions are combined, null where they are not
 * @param peer the root of a broadcast or the other rank of a message, -1 otherwise
 * @param counts the shares of a gather or scatter, or the ranks of a split; empty otherwise
 * @param tag the caller's name for it
 */
public record Fingerprint(
        String group,
        long sequence,
        Operation operation,
        @Nullable DType dtype,
        long count,
        @Nullable ReduceOp op,
        int peer,
        List<Long> counts,
        String tag) {

    /**
     * Copies the list.
     *
     * @param group the name of the group
     * @param sequence the number of the collective in its group
     * @param operation what is to be done
     * @param dtype the element type, null where no data is moved
     * @param count the number of elements
     * @param op how contributions are combined, null where they are not
     * @param peer the root or the other rank, -1 where there is none
     * @param counts the shares, or the ranks of a split
     * @param tag the caller's name for it
     */
    public Fingerprint {
        counts = List.copyOf(counts);
    }

    /**
     * Tells whether two ranks have asked for the same.
     *
     * @param other what another rank of the same collective or message asked for
     * @return true if they agree in all that they have to
     */
    public boolean agreesWith(Fingerprint other) {
        return operation.isMessage()
                ? dtype == other.dtype && count == other.count && tag.equals(other.tag)
                : equals(other);
    }

    /**
     * Describes the request as messages show it, such as {@code allReduce(AVG, F32 x 1024, tag
     * 'bucket 0')}.
     *
     * @return the request without group and sequence number
     */
    public String describe() {
        StringBuilder text = new StringBuilder(operation.method()).append('(');
        if (op != null) {
            text.append(op).append(", ");
        }
        if (dtype != null) {
            text.append(dtype).append(" x ").append(count).append(", ");
        }
        switch (operation) {
            case BROADCAST -> text.append("root ").append(peer).append(", ");
            case SEND -> text.append("to ").append(peer).append(", ");
            case RECV -> text.append("from ").append(peer).append(", ");
            case SPLIT -> text.append("ranks ").append(counts).append(", ");
            case ALL_GATHER, REDUCE_SCATTER -> text.append("shares ").append(shares()).append(", ");
            default -> {}
        }
        return text.append("tag '").append(tag).append("')").toString();
    }

    private String shares() {
        int shown = 8;
        return counts.size() <= shown
                ? counts.toString()
                : counts.subList(0, shown).toString().replace("]", ", ...]");
    }
}
