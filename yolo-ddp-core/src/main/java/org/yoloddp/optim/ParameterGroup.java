package org.yoloddp.optim;

import java.util.List;
import org.yoloddp.error.ConfigurationException;

/**
 * Parameters that share a learning rate and a weight decay.
 *
 * <p>Groups are numbered by their place in the list given to {@link FusedOptimizer}; learning rates
 * come as an array in that order.
 *
 * @param name what to call the group in messages and logs
 * @param parameters the names of its parameters, as in the state dict; frozen ones are skipped
 * @param weightDecay the group's own weight decay, 0 or more
 */
public record ParameterGroup(String name, List<String> parameters, double weightDecay) {

    /**
     * Copies the list and checks the weight decay.
     *
     * @param name what to call the group
     * @param parameters the names of its parameters
     * @param weightDecay 0 or more
     * @throws ConfigurationException if the weight decay lies outside its range
     */
    public ParameterGroup {
        parameters = List.copyOf(parameters);
        Ranges.requireNonNegative("weightDecay of parameter group '" + name + "'", weightDecay);
    }
}
