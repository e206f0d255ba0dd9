package org.yoloddp.launch;

import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;

/**
 * Which output streams of which workers, in torchrun's notation of {@code --redirects} and {@code
 * --tee}: 0 for none, 1 for standard output, 2 for standard error, 3 for both; one number for all
 * workers of a node, or {@code 0:1,1:3} by local rank (others: none). Immutable.
 */
public final class StreamSelection {

    private static final Pattern ONE = Pattern.compile("(\\d{1,6}):([0-3])");

    private final int all;
    private final Map<Integer, Integer> byLocalRank;

    private StreamSelection(int all, Map<Integer, Integer> byLocalRank) {
        this.all = all;
        this.byLocalRank = byLocalRank;
    }

    /**
     * Selects nothing.
     *
     * @return no stream of any worker
     */
    public static StreamSelection none() {
        return new StreamSelection(0, Map.of());
    }

    /**
     * Selects everything.
     *
     * @return both streams of all workers
     */
    public static StreamSelection both() {
        return new StreamSelection(3, Map.of());
    }

    /**
     * Reads torchrun's notation.
     *
     * @param text the option's value
     * @return the selection
     * @throws ConfigurationException if it is not in that notation
     */
    public static StreamSelection parse(String text) {
        String value = text.strip();
        if (value.matches("[0-3]")) {
            return new StreamSelection(Integer.parseInt(value), Map.of());
        }
        Map<Integer, Integer> map = new TreeMap<>();
        for (String part : value.split(",", -1)) {
            Matcher matcher = ONE.matcher(part.strip());
            if (!matcher.matches()) {
                throw new ConfigurationException(
                        "streams are given as '"
                                + text
                                + "', but it is 0, 1 (output), 2 (errors), 3 (both), or such as"
                                + " 0:1,1:3 by local rank");
            }
            map.put(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
        }
        return new StreamSelection(0, Map.copyOf(map));
    }

    /**
     * Tells whether nothing is selected.
     *
     * @return true if so for every worker
     */
    public boolean isEmpty() {
        return all == 0 && byLocalRank.values().stream().allMatch(streams -> streams == 0);
    }

    /** Whether the stream, 1 or 2, of a worker is selected. */
    boolean has(int localRank, int stream) {
        return (byLocalRank.getOrDefault(localRank, all) & stream) != 0;
    }
}
