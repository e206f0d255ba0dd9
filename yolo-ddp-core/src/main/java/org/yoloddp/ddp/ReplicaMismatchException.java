package org.yoloddp.ddp;

import org.yoloddp.error.YoloDdpException;

/**
 * The ranks did not build the same model. Thrown on every rank, with the same message, before
 * anything is exchanged.
 */
public final class ReplicaMismatchException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** The first that differs, by name. */
    private final String parameter;

    private ReplicaMismatchException(String message, String parameter) {
        super(message);
        this.parameter = parameter;
    }

    static ReplicaMismatchException of(String parameter, String whatEachRankHas) {
        return new ReplicaMismatchException(
                "the models of the ranks differ at '"
                        + parameter
                        + "': "
                        + whatEachRankHas
                        + "; build the same block, with the same layout and frozen parameters, on"
                        + " every rank",
                parameter);
    }

    /**
     * Returns the first parameter or buffer that differs, by the name that the lowest rank which
     * has one gives it.
     *
     * @return the name
     */
    public String parameter() {
        return parameter;
    }
}
