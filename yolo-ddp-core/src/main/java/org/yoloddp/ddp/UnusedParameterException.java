package org.yoloddp.ddp;

import java.util.List;
import java.util.stream.Collectors;
import org.yoloddp.error.YoloDdpException;

/** A rank has ended backward without a gradient for some of the parameters. */
public final class UnusedParameterException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private static final int SHOWN = 8;

    /** In model order. */
    private final transient List<String> parameters;

    /** Where it happened. */
    private final int rank;

    private UnusedParameterException(String message, List<String> parameters, int rank) {
        super(message);
        this.parameters = List.copyOf(parameters);
        this.rank = rank;
    }

    static UnusedParameterException of(List<String> parameters, int trainable, int rank) {
        String names =
                parameters.stream()
                        .limit(SHOWN)
                        .map(name -> "'" + name + "'")
                        .collect(Collectors.joining(", "));
        if (parameters.size() > SHOWN) {
            names += " and " + (parameters.size() - SHOWN) + " more";
        }
        return new UnusedParameterException(
                "backward on rank "
                        + rank
                        + " has given no gradient to "
                        + names
                        + ", "
                        + parameters.size()
                        + " of "
                        + trainable
                        + " trainable parameters; freeze what the loss does not depend on, or allow"
                        + " it by Reduction.withFindUnused(true)",
                parameters,
                rank);
    }

    /**
     * Returns the parameters without a gradient.
     *
     * @return names, in model order
     */
    public List<String> parameters() {
        return parameters;
    }

    /**
     * Returns the rank whose backward it was.
     *
     * @return the rank
     */
    public int rank() {
        return rank;
    }
}
