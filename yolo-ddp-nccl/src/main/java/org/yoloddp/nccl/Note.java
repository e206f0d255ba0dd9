package org.yoloddp.nccl;

import java.time.Duration;
import java.util.List;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;

/** What a rank tells the {@link Judge}. Groups go by their ids, which no two groups share. */
sealed interface Note {

    String group();

    /** The rank asks for this as its next call in the group. */
    record Posted(String group, Fingerprint call) implements Note {}

    /**
     * The rank has asked for so many collectives as its next calls in the group.
     *
     * @param from which of its calls is the first of them
     * @param hash a hash over them all
     */
    record Hashed(String group, long from, int count, long hash) implements Note {}

    /**
     * The rank's calls in the group that have not matched, whether it has told them before or not.
     *
     * @param from which of its calls is the first of them
     */
    record Details(String group, long from, List<Fingerprint> calls) implements Note {}

    /** The first so many of the rank's calls in the group have ended on its device. */
    record Ended(String group, long count) implements Note {}

    /**
     * One of the rank's calls did not end in time.
     *
     * @param index which of its calls in the group
     * @param hashes whether the ranks may have asked for what they have not told yet
     */
    record TimedOut(String group, long index, Fingerprint call, Duration waited, boolean hashes)
            implements Note {}

    /**
     * The rank fails.
     *
     * @param accusation true if NCCL has only told that something is wrong: whoever knows more has
     *     a moment to say so
     */
    record Failed(String group, CommunicationException failure, boolean accusation)
            implements Note {}

    /** The rank wants to know when nobody works any more on what it took part in. */
    record Leaving(String group) implements Note {}

    /**
     * The rank has left the group.
     *
     * @param absence what everybody fails with who expects it still
     */
    record Left(String group, CommunicationException absence) implements Note {}
}
