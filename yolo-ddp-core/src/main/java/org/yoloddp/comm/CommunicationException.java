package org.yoloddp.comm;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/**
 * A group of ranks can no longer work together.
 *
 * <p>Ranks are named by their numbers in the world, also in groups that were split from it. What an
 * exception holds besides message and cause is not serialized.
 */
public abstract class CommunicationException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient String group;

    /**
     * Creates an exception.
     *
     * @param message what happened, where, and what to do
     * @param group the name of the group
     * @param cause what led to it, or null
     */
    protected CommunicationException(String message, String group, @Nullable Throwable cause) {
        super(message, cause);
        this.group = group;
    }

    /**
     * Returns the name of the group that failed first.
     *
     * @return the group
     */
    public final String group() {
        return group;
    }

    /**
     * Makes an exception that says the same, with the stack of the calling thread; so each of the
     * threads that wait for one failure throws its own.
     *
     * @return the copy, with the same cause
     */
    public abstract CommunicationException copy();
}
