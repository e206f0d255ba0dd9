package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import org.yoloddp.error.YoloDdpException;

/** Some ranks did not come to the rendezvous in time. */
public final class RendezvousTimeoutException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient List<Integer> missing;

    private RendezvousTimeoutException(String message, List<Integer> missing) {
        super(message);
        this.missing = List.copyOf(missing);
    }

    /**
     * Creates the exception.
     *
     * @param missing the ranks that did not come
     * @param present the processes that did, in words
     * @param size the number of ranks
     * @param waited the deadline that has passed
     * @return the exception
     */
    public static RendezvousTimeoutException of(
            List<Integer> missing, List<String> present, int size, Duration waited) {
        return new RendezvousTimeoutException(
                "Of "
                        + size
                        + " ranks, "
                        + Texts.ranks(missing)
                        + " did not come to the rendezvous within "
                        + waited.toMillis()
                        + " ms; these did: "
                        + present.stream().limit(16).collect(Collectors.joining(", "))
                        + (present.size() > 16 ? ", ..." : "")
                        + ". See the logs of the missing ones; all need the same MASTER_ADDR,"
                        + " MASTER_PORT and WORLD_SIZE, and each its RANK.",
                missing);
    }

    /**
     * Returns the ranks that did not come.
     *
     * @return the ranks
     */
    public List<Integer> missing() {
        return missing;
    }
}
