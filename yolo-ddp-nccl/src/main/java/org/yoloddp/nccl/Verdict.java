package org.yoloddp.nccl;

import org.yoloddp.comm.CommunicationException;

/** What the {@link Judge} tells a rank. */
sealed interface Verdict {

    String group();

    /** The first so many of the rank's calls are what all ranks concerned asked for. */
    record Matched(String group, long count) implements Verdict {}

    /** The rank is to tell all its calls that have not matched. */
    record Details(String group) implements Verdict {}

    /** The group has failed. */
    record Failed(String group, CommunicationException failure) implements Verdict {}

    /** Nobody works any more on what the leaving rank took part in. */
    record Drained(String group) implements Verdict {}

    /** The rank has left the world, so this is the last word. */
    record Bye(String group) implements Verdict {}
}
