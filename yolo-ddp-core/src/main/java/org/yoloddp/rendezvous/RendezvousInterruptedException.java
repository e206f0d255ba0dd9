package org.yoloddp.rendezvous;

import java.util.List;
import org.yoloddp.error.YoloDdpException;

/**
 * A rank was interrupted while it waited for others to come to the rendezvous, which may have been
 * ended by the same signal and never come. The thread's interrupt flag stays set.
 */
public final class RendezvousInterruptedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private RendezvousInterruptedException(String message) {
        super(message);
    }

    /**
     * Creates the exception.
     *
     * @param rank the rank that was interrupted
     * @param missing the ranks that had not come
     * @param size the number of ranks
     * @return the exception
     */
    public static RendezvousInterruptedException of(int rank, List<Integer> missing, int size) {
        return new RendezvousInterruptedException(
                "Rank "
                        + rank
                        + " was interrupted at the rendezvous, to which "
                        + Texts.ranks(missing)
                        + " of "
                        + size
                        + " had not come. Nothing has begun, so nothing is lost.");
    }
}
