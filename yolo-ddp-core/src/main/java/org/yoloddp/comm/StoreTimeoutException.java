package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import org.yoloddp.error.YoloDdpException;

/** A key of the {@link Store} did not appear in time, or its server did not answer. */
public final class StoreTimeoutException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient List<String> missing;

    private StoreTimeoutException(String message, List<String> missing) {
        super(message);
        this.missing = List.copyOf(missing);
    }

    /**
     * Creates the exception.
     *
     * @param missing the keys that are not there
     * @param waited the deadline that has passed
     * @return the exception
     */
    public static StoreTimeoutException of(List<String> missing, Duration waited) {
        return new StoreTimeoutException(
                "Not in the store within "
                        + waited.toMillis()
                        + " ms: "
                        + String.join(", ", missing)
                        + ". Find out why the ranks that set it have not come, or raise the"
                        + " deadline.",
                missing);
    }

    /**
     * Says that whoever serves the store has not answered at all.
     *
     * @param keys what it was asked for, or told
     * @param server who serves it, and where
     * @param waited the deadline that has passed
     * @return the exception
     */
    public static StoreTimeoutException unanswered(
            List<String> keys, String server, Duration waited) {
        return new StoreTimeoutException(
                "No answer from "
                        + server
                        + ", which serves the store, within "
                        + waited.toMillis()
                        + " ms about "
                        + String.join(", ", keys)
                        + ": it hangs, or the line to it is cut.",
                keys);
    }

    /**
     * Returns the keys that were waited for in vain.
     *
     * @return the keys
     */
    public List<String> missing() {
        return missing;
    }
}
