package org.yoloddp.ddp;

import java.util.List;
import java.util.stream.Collectors;
import org.yoloddp.error.YoloDdpException;

/** The ranks no longer hold the same bits. Thrown on every rank, with the same message. */
public final class ReplicaDivergedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** The first that differs, by name. */
    private final String parameter;

    /** The lowest that differs from rank 0. */
    private final int rank;

    /** After which it was seen. */
    private final long step;

    private ReplicaDivergedException(String message, String parameter, int rank, long step) {
        super(message);
        this.parameter = parameter;
        this.rank = rank;
        this.step = step;
    }

    static ReplicaDivergedException of(String parameter, List<Integer> ranks, long step) {
        return new ReplicaDivergedException(
                "the models of the ranks have drifted apart: after step "
                        + step
                        + " '"
                        + parameter
                        + "' has other bits on "
                        + ranks(ranks)
                        + " than on rank 0; look for code that changes parameters outside the"
                        + " optimizer, or ranks with unequal numbers of intra-op threads",
                parameter,
                ranks.get(0),
                step);
    }

    /** Names ranks in a message, such as {@code ranks 1, 3}. */
    static String ranks(List<Integer> ranks) {
        return (ranks.size() == 1 ? "rank " : "ranks ")
                + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    /**
     * Returns the first parameter or buffer that differs.
     *
     * @return its name
     */
    public String parameter() {
        return parameter;
    }

    /**
     * Returns the lowest rank that differs from rank 0.
     *
     * @return the rank
     */
    public int rank() {
        return rank;
    }

    /**
     * Returns when it was seen.
     *
     * @return the step after which the ranks were compared
     */
    public long step() {
        return step;
    }
}
