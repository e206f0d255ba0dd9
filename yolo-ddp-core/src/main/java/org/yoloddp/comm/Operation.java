package org.yoloddp.comm;

/** What ranks do together. */
public enum Operation {
    /** Combine on all ranks. */
    ALL_REDUCE("allReduce"),
    /** Copy from one rank to all. */
    BROADCAST("broadcast"),
    /** Combine, one share for each rank. */
    REDUCE_SCATTER("reduceScatter"),
    /** Collect all shares on all ranks. */
    ALL_GATHER("allGather"),
    /** Send to one rank. */
    SEND("send"),
    /** Receive from one rank. */
    RECV("recv"),
    /** Wait for all ranks. */
    BARRIER("barrier"),
    /** Make a smaller group. */
    SPLIT("split");

    private final String method;

    Operation(String method) {
        this.method = method;
    }

    /**
     * Returns the name of the method of {@link Communicator}.
     *
     * @return the method's name
     */
    public String method() {
        return method;
    }

    /**
     * Tells messages between two ranks from collectives.
     *
     * @return true for sending and receiving
     */
    public boolean isMessage() {
        return this == SEND || this == RECV;
    }
}
