package org.yoloddp.rendezvous;

import java.util.List;
import org.yoloddp.error.YoloDdpException;

/** The processes that came to the rendezvous do not make one world. */
public final class RendezvousRefusedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private RendezvousRefusedException(String message) {
        super(message);
    }

    /**
     * Says that two processes are one rank.
     *
     * @param late the one that came later, in words
     * @param first the one that was there
     * @return the exception, thrown by the one that came later; the others go on
     */
    public static RendezvousRefusedException duplicate(String late, String first) {
        return new RendezvousRefusedException(
                late + " has come, but " + first + " has come before. Start each rank once.");
    }

    /**
     * Says that two processes do not agree on the number of ranks.
     *
     * @param late the one that came later, in words
     * @param size what it says
     * @param first the one that was there
     * @param firstSize what that one says
     * @return the exception, thrown on all ranks
     */
    public static RendezvousRefusedException size(
            String late, int size, String first, int firstSize) {
        return new RendezvousRefusedException(
                late
                        + " says that the world has "
                        + size
                        + " ranks, but "
                        + first
                        + " says "
                        + firstSize
                        + ". Start all ranks with the same WORLD_SIZE (nodes x processes per"
                        + " node).");
    }

    /**
     * Says that the ranks differ in what they must have in common.
     *
     * @param differences one sentence per difference
     * @return the exception, thrown on all ranks
     */
    public static RendezvousRefusedException facts(List<String> differences) {
        int shown = 8;
        return new RendezvousRefusedException(
                "The ranks differ: "
                        + String.join("; ", differences.subList(0, min(differences, shown)))
                        + (differences.size() > shown
                                ? "; and " + (differences.size() - shown) + " more"
                                : "")
                        + ". Give all ranks the same.");
    }

    private static int min(List<String> list, int limit) {
        return Math.min(list.size(), limit);
    }

    /** Says what another rank has found. */
    static RendezvousRefusedException told(String message) {
        return new RendezvousRefusedException(message);
    }
}
