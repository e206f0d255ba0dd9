package org.yoloddp.launch;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.yoloddp.error.ConfigurationException;

/** Finds out which launcher or cluster has started this process. */
public final class ClusterEnvironments {

    private ClusterEnvironments() {}

    /**
     * Asks all kinds of environments, those of this library and those on the class path.
     *
     * @param environment the variables, such as {@link System#getenv()}
     * @return what each found and why, in the order in which they are taken
     * @throws ConfigurationException if one cannot be made, or its variables make no sense
     */
    public static List<Detection> examine(Map<String, String> environment) {
        List<ClusterEnvironment> kinds = new ArrayList<>();
        try {
            ServiceLoader.load(ClusterEnvironment.class, ClusterEnvironment.class.getClassLoader())
                    .forEach(kinds::add);
        } catch (ServiceConfigurationError e) {
            throw new ConfigurationException(
                    "A cluster environment on the class path cannot be made: " + e.getMessage());
        }
        kinds.sort(
                Comparator.comparingInt(ClusterEnvironment::order)
                        .thenComparing(ClusterEnvironment::name));
        return kinds.stream().map(kind -> kind.detect(environment)).toList();
    }

    /**
     * Returns the first that applies.
     *
     * @param environment the variables
     * @return what was found; its place is there, since a plain process is one rank
     * @throws ConfigurationException if the variables make no sense
     */
    public static Detection find(Map<String, String> environment) {
        Optional<Detection> first =
                examine(environment).stream()
                        .filter(found -> found.place().isPresent())
                        .findFirst();
        return first.orElseThrow(
                () -> new ConfigurationException("No cluster environment is on the class path"));
    }
}
