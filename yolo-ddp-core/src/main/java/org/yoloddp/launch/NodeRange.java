package org.yoloddp.launch;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;

/**
 * How many nodes a job may have, as torchrun's {@code --nnodes} says it. Where the two numbers
 * differ, nodes may leave and join, each time with a restart of all workers.
 *
 * @param min the fewest, 1 or more
 * @param max the most, not below min
 */
public record NodeRange(int min, int max) {

    private static final Pattern TEXT = Pattern.compile("(\\d{1,6})(?::(\\d{1,6}))?");

    /**
     * Checks the numbers.
     *
     * @param min the fewest, 1 or more
     * @param max the most, not below min
     * @throws ConfigurationException if there can be no such range
     */
    public NodeRange {
        if (min < 1 || max < min) {
            throw new ConfigurationException(
                    "from " + min + " to " + max + " nodes cannot be: it takes 1 or more, MIN:MAX");
        }
    }

    /**
     * Returns a range of one number.
     *
     * @param nodes the number of nodes
     * @return the range
     * @throws ConfigurationException if the number is below 1
     */
    public static NodeRange of(int nodes) {
        return new NodeRange(nodes, nodes);
    }

    /**
     * Reads {@code N} or {@code MIN:MAX}.
     *
     * @param text the option's value
     * @return the range
     * @throws ConfigurationException if it is neither
     */
    public static NodeRange parse(String text) {
        Matcher matcher = TEXT.matcher(text.strip());
        if (!matcher.matches()) {
            throw new ConfigurationException(
                    "the number of nodes is '" + text + "', but it is N or MIN:MAX");
        }
        int min = Integer.parseInt(matcher.group(1));
        return new NodeRange(
                min, matcher.group(2) == null ? min : Integer.parseInt(matcher.group(2)));
    }

    /**
     * Tells whether nodes may leave and join.
     *
     * @return true if the numbers differ
     */
    public boolean elastic() {
        return min < max;
    }

    @Override
    public String toString() {
        return elastic() ? min + ":" + max : Integer.toString(min);
    }
}
