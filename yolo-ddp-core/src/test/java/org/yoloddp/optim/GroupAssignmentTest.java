package org.yoloddp.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class GroupAssignmentTest {

    private static final Set<String> ALL = new LinkedHashSet<>(List.of("a", "b", "c"));

    @Test
    void keepsTheOrderOfTheGroups() {
        List<ParameterGroup> groups = List.of(group("x", "c", "a"), group("y", "b"));

        assertThat(GroupAssignment.of(groups, ALL, ALL))
                .containsExactly(List.of("c", "a"), List.of("b"));
    }

    @Test
    void skipsFrozenParametersAndNeedsNoGroupForThem() {
        List<ParameterGroup> groups = List.of(group("x", "a", "b"));

        assertThat(GroupAssignment.of(groups, ALL, Set.of("b"))).containsExactly(List.of("b"));
    }

    @Test
    void refusesAnUnknownParameter() {
        assertThatThrownBy(() -> GroupAssignment.of(List.of(group("x", "a", "d")), ALL, ALL))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "parameter group 'x' names 'd', but the model has no such parameter; it"
                                + " has 3, the first is 'a'");
    }

    @Test
    void refusesAParameterInTwoGroups() {
        List<ParameterGroup> groups = List.of(group("x", "a", "b"), group("y", "b", "c"));

        assertThatThrownBy(() -> GroupAssignment.of(groups, ALL, ALL))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("parameter 'b' is in the groups 'x' and 'y'; name it once");
    }

    @Test
    void refusesATrainableParameterInNoGroup() {
        assertThatThrownBy(() -> GroupAssignment.of(List.of(group("x", "a", "b")), ALL, ALL))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "parameter 'c' is trainable but in no parameter group; add it to one, or"
                                + " freeze it");
    }

    @Test
    void refusesANegativeWeightDecay() {
        assertThatThrownBy(() -> new ParameterGroup("x", List.of("a"), -.1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "weightDecay of parameter group 'x' is -0.1, must be 0 or a positive"
                                + " finite number");
    }

    private static ParameterGroup group(String name, String... parameters) {
        return new ParameterGroup(name, List.of(parameters), 0);
    }
}
