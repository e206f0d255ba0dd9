package org.yoloddp.comm;

/**
 * A point in a {@link ComputeStream}, which passes when everything before it is done. Closing frees
 * it, passed or not, and does not take back that a stream waits for it. Thread-safe but for {@link
 * #close()}.
 */
public interface StreamEvent extends AutoCloseable {

    /** What has happened already, as everything on the host; need not be closed. */
    StreamEvent PASSED =
            new StreamEvent() {
                @Override
                public long handle() {
                    return 0;
                }

                @Override
                public boolean hasPassed() {
                    return true;
                }

                @Override
                public void close() {}

                @Override
                public String toString() {
                    return "passed";
                }
            };

    /**
     * Returns what the device's own functions know the event by.
     *
     * @return {@code cudaEvent_t} as a number; 0 for {@link #PASSED}
     */
    long handle();

    /**
     * Looks whether the event has passed, without waiting.
     *
     * @return true if everything before it is done
     */
    boolean hasPassed();

    /** Frees the event; idempotent. */
    @Override
    void close();
}
