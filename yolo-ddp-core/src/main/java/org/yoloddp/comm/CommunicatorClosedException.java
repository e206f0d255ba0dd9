package org.yoloddp.comm;

import java.util.Locale;

/** A communicator was used, or expected to take part, after it was closed. */
public final class CommunicatorClosedException extends CommunicationException {

    private static final long serialVersionUID = 1L;

    private final transient int rank;

    private CommunicatorClosedException(String message, String group, int rank) {
        super(message, group, null);
        this.rank = rank;
    }

    /**
     * Creates the exception.
     *
     * @param group the name of the group
     * @param rank the rank that closed its communicator, by number in the world
     * @return the exception
     */
    public static CommunicatorClosedException of(String group, int rank) {
        return new CommunicatorClosedException(
                String.format(
                        Locale.ROOT,
                        "rank %d has closed its communicator of group '%s'",
                        rank,
                        group),
                group,
                rank);
    }

    /**
     * Returns the rank that closed its communicator.
     *
     * @return the rank, by number in the world
     */
    public int rank() {
        return rank;
    }

    @Override
    public CommunicatorClosedException copy() {
        return of(group(), rank);
    }
}
