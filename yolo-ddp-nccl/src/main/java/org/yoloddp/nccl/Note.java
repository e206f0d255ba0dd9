package org.yoloddp.nccl;

import java.time.Duration;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;

/** What a rank tells the {@link Judge}. Groups go by their ids, which no two groups share. */
sealed interface Note {

    String group();

    /** The rank asks for this as its next call in the group. */
    record Posted(String group, Fingerprint call) implements Note {}

    /** The first so many of the rank's calls in the group have ended on its device. */
    record Ended(String group, long count) implements Note {}

    /**
     * One of the rank's calls did not end in time.
     *
     * @param index which of its calls in the group
     */
    record TimedOut(String group, long index, Fingerprint call, Duration waited) implements Note {}

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
