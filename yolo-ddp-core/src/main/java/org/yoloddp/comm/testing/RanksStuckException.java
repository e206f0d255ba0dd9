package org.yoloddp.comm.testing;

import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import org.yoloddp.error.YoloDdpException;

/** Ranks of a test did not end in time; the suppressed exceptions show where they are. */
public final class RanksStuckException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient List<Integer> ranks;

    private RanksStuckException(String message, List<Integer> ranks) {
        super(message);
        this.ranks = List.copyOf(ranks);
    }

    static RanksStuckException of(List<Integer> ranks, int size, Duration waited) {
        return new RanksStuckException(
                (ranks.size() == 1 ? "Rank " : "Ranks ")
                        + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "))
                        + " of "
                        + size
                        + " did not end within "
                        + waited.toMillis()
                        + " ms; the suppressed exceptions show their stacks.",
                ranks);
    }

    /**
     * Returns the ranks that did not end.
     *
     * @return the ranks
     */
    public List<Integer> ranks() {
        return ranks;
    }

    /** The stack of a thread that is stuck. */
    static final class Stack extends Throwable {

        private static final long serialVersionUID = 1L;

        Stack(Thread thread) {
            super(thread.getName() + " is here", null, false, true);
            setStackTrace(thread.getStackTrace());
        }
    }
}
