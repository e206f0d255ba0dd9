package org.yoloddp.optim;

import java.util.List;

/**
 * Parameters that share a learning rate and a weight decay.
 *
 * @param name names the group in logs
 * @param parameters the names of its parameters, in order
 * @param weightDecay the weight decay of the group, 0 for none
 */
public record ParameterGroup(String name, List<String> parameters, double weightDecay) {

    /** Copies the list. */
    public ParameterGroup {
        parameters = List.copyOf(parameters);
    }
}
