package org.yoloddp.rendezvous;

import org.yoloddp.comm.CommunicationException;

/**
 * The process that serves the job's store, and is no rank of it, is gone; without it no failure of
 * a rank would be noticed, so the ranks end.
 */
public final class StoreLostException extends CommunicationException {

    private static final long serialVersionUID = 1L;

    private final transient String server;
    private final transient String reason;

    private StoreLostException(String message, String group, String server, String reason) {
        super(message, group, null);
        this.server = server;
        this.reason = reason;
    }

    /**
     * Creates the exception.
     *
     * @param group the name of the group
     * @param server who served the store
     * @param reason what was seen
     * @return the exception
     */
    public static StoreLostException of(String group, String server, String reason) {
        return new StoreLostException(
                "The ranks of group '"
                        + group
                        + "' have lost the store of the job, which "
                        + server
                        + " served: "
                        + reason
                        + ". Without it the job cannot go on; see what ended that process.",
                group,
                server,
                reason);
    }

    /**
     * Returns who served the store.
     *
     * @return the process in words
     */
    public String server() {
        return server;
    }

    /**
     * Returns what was seen.
     *
     * @return the reason
     */
    public String reason() {
        return reason;
    }

    @Override
    public StoreLostException copy() {
        return of(group(), server, reason);
    }
}
