package org.yoloddp.launch;

import java.util.Objects;
import java.util.Optional;

/**
 * What a {@link ClusterEnvironment} found.
 *
 * @param environment the name of the kind
 * @param reason the variables that decided it, in words
 * @param place which rank this process is; empty if this kind does not apply
 */
public record Detection(String environment, String reason, Optional<ProcessPlace> place) {

    /**
     * Checks the parts.
     *
     * @param environment the name of the kind
     * @param reason the variables that decided it, in words
     * @param place which rank this process is; empty if this kind does not apply
     */
    public Detection {
        Objects.requireNonNull(environment);
        Objects.requireNonNull(reason);
        Objects.requireNonNull(place);
    }

    static Detection no(ClusterEnvironment environment, String reason) {
        return new Detection(environment.name(), reason, Optional.empty());
    }

    static Detection yes(ClusterEnvironment environment, String reason, ProcessPlace place) {
        return new Detection(environment.name(), reason, Optional.of(place));
    }

    /**
     * Tells whether nobody has started this process as a rank of something.
     *
     * @return true if no variable of a launcher or cluster is set
     */
    public boolean isPlain() {
        return environment.equals(PlainEnvironment.NAME);
    }

    /**
     * Describes it for a log.
     *
     * @return such as {@code SLURM (SLURM_PROCID is 3): rank 3 of 8, ...}
     */
    public String describe() {
        return environment + " (" + reason + ")" + place.map(p -> ": " + p.describe()).orElse("");
    }
}
