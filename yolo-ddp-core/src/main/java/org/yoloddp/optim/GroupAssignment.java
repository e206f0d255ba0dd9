package org.yoloddp.optim;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.yoloddp.error.ConfigurationException;

/** Which trainable parameter belongs to which group: each to exactly one. */
final class GroupAssignment {

    private GroupAssignment() {}

    /**
     * Returns the trainable parameters of each group, in the group's order.
     *
     * @param all the names of all parameters, frozen ones included
     * @param trainable those of them that are trained, in model order
     */
    static List<List<String>> of(
            List<ParameterGroup> groups, Set<String> all, Set<String> trainable) {
        if (groups.isEmpty()) {
            throw new ConfigurationException(
                    "no parameter groups given; give at least one, or none at all to train every"
                            + " parameter alike");
        }
        Map<String, String> groupByParameter = new LinkedHashMap<>();
        List<List<String>> assigned = new ArrayList<>();
        for (ParameterGroup group : groups) {
            List<String> members = new ArrayList<>();
            for (String parameter : group.parameters()) {
                if (!all.contains(parameter)) {
                    throw new ConfigurationException(
                            "parameter group '"
                                    + group.name()
                                    + "' names '"
                                    + parameter
                                    + "', but the model has no such parameter; it has "
                                    + all.size()
                                    + ", the first is '"
                                    + all.stream().findFirst().orElse("")
                                    + "'");
                }
                String other = groupByParameter.put(parameter, group.name());
                if (other != null) {
                    throw new ConfigurationException(
                            "parameter '"
                                    + parameter
                                    + "' is in the groups '"
                                    + other
                                    + "' and '"
                                    + group.name()
                                    + "'; name it once");
                }
                if (trainable.contains(parameter)) {
                    members.add(parameter);
                }
            }
            assigned.add(members);
        }
        for (String parameter : trainable) {
            if (!groupByParameter.containsKey(parameter)) {
                throw new ConfigurationException(
                        "parameter '"
                                + parameter
                                + "' is trainable but in no parameter group; add it to one, or"
                                + " freeze it");
            }
        }
        return assigned;
    }
}
