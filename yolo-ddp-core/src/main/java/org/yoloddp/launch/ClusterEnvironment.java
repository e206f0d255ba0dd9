package org.yoloddp.launch;

import java.util.Map;

/**
 * Reads from the environment variables of one kind of launcher or cluster which rank this process
 * is. Found by {@link ClusterEnvironments} as a service, with a public constructor without
 * parameters; stateless.
 */
public interface ClusterEnvironment {

    /**
     * Returns the name of the kind.
     *
     * @return such as {@code SLURM}
     */
    String name();

    /**
     * Returns where this kind stands among the others, of which the first that applies is taken.
     *
     * @return the position; those of this library have 10 to 60, the less the earlier
     */
    int order();

    /**
     * Looks at the variables.
     *
     * @param environment the variables
     * @return what was found, and why
     * @throws org.yoloddp.error.ConfigurationException if this kind applies, but its variables
     *     contradict each other or make no sense
     */
    Detection detect(Map<String, String> environment);
}
