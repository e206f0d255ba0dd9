package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;

/** A collective was not done in time, mostly because some ranks did not come. */
public final class CollectiveTimeoutException extends CommunicationException {

    private static final long serialVersionUID = 1L;

    private final transient Fingerprint call;
    private final transient Duration waited;
    private final transient List<Integer> missing;
    private final transient List<Integer> arrived;

    private CollectiveTimeoutException(
            String message,
            Fingerprint call,
            Duration waited,
            List<Integer> missing,
            List<Integer> arrived) {
        super(message, call.group(), null);
        this.call = call;
        this.waited = waited;
        this.missing = List.copyOf(missing);
        this.arrived = List.copyOf(arrived);
    }

    /**
     * Creates the exception.
     *
     * @param call what was asked for
     * @param waited the deadline that has passed
     * @param missing the ranks that did not come, by rank of the world; empty if the transfer
     *     itself was too slow
     * @param arrived the ranks that came
     * @return the exception
     */
    public static CollectiveTimeoutException of(
            Fingerprint call, Duration waited, List<Integer> missing, List<Integer> arrived) {
        String who =
                missing.isEmpty()
                        ? "all ranks came, but it did not end: the data are many for the time, or a line"
                                + " between hosts lets nothing through. Look at the network, or"
                                + " raise the deadline."
                        : Ranks.list(missing)
                                + " did not come, "
                                + Ranks.list(arrived)
                                + " did. Find out what "
                                + Ranks.list(missing)
                                + (missing.size() == 1 ? " does" : " do")
                                + " instead (jstack), or raise the deadline.";
        return new CollectiveTimeoutException(
                call.describe()
                        + ", collective "
                        + call.sequence()
                        + " of group '"
                        + call.group()
                        + "', was not done within "
                        + waited.toMillis()
                        + " ms: "
                        + who,
                call,
                waited,
                missing,
                arrived);
    }

    /**
     * Returns the collective that was not done.
     *
     * @return what was asked for
     */
    public Fingerprint call() {
        return call;
    }

    /**
     * Returns the deadline that has passed.
     *
     * @return the time waited
     */
    public Duration waited() {
        return waited;
    }

    /**
     * Returns the ranks that did not come.
     *
     * @return the ranks, by number in the world
     */
    public List<Integer> missing() {
        return missing;
    }

    /**
     * Returns the ranks that came.
     *
     * @return the ranks, by number in the world
     */
    public List<Integer> arrived() {
        return arrived;
    }

    @Override
    public CollectiveTimeoutException copy() {
        return of(call, waited, missing, arrived);
    }
}
