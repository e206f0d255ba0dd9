package org.yoloddp.launch;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;

/** SLURM's short forms of lists. */
final class NodeList {

    private static final int MOST = 100_000;
    private static final Pattern RANGE = Pattern.compile("(\\d+)(?:-(\\d+))?");
    private static final Pattern COUNT = Pattern.compile("(\\d+)(?:\\(x(\\d+)\\))?");

    private NodeList() {}

    /**
     * Writes out a list of nodes, such as {@code n[1-3,07],gpu-[a]x,login}. Numbers keep their
     * zeros in front; several brackets in one name give all combinations.
     */
    static List<String> expand(String list) {
        List<String> names = new ArrayList<>();
        for (String part : split(list)) {
            names.addAll(expandOne(list, part.strip()));
            if (names.size() > MOST) {
                throw wrong(list, "it has more than " + MOST + " nodes");
            }
        }
        if (names.isEmpty()) {
            throw wrong(list, "it is empty");
        }
        return names;
    }

    /** Splits at the commas outside of brackets. */
    private static List<String> split(String list) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        int start = 0;
        for (int i = 0; i < list.length(); i++) {
            char c = list.charAt(i);
            if (c == '[') {
                depth++;
            } else if (c == ']') {
                depth--;
            } else if (c == ',' && depth == 0) {
                parts.add(list.substring(start, i));
                start = i + 1;
            }
            if (depth < 0 || depth > 1) {
                throw wrong(list, "its brackets do not match");
            }
        }
        if (depth != 0) {
            throw wrong(list, "its brackets do not match");
        }
        parts.add(list.substring(start));
        parts.removeIf(String::isBlank);
        return parts;
    }

    private static List<String> expandOne(String list, String name) {
        int open = name.indexOf('[');
        if (open < 0) {
            return List.of(name);
        }
        int close = name.indexOf(']', open);
        List<String> tails = expandOne(list, name.substring(close + 1));
        List<String> names = new ArrayList<>();
        for (String range : name.substring(open + 1, close).split(",")) {
            for (String number : numbers(list, range.strip())) {
                for (String tail : tails) {
                    names.add(name.substring(0, open) + number + tail);
                }
            }
        }
        return names;
    }

    private static List<String> numbers(String list, String range) {
        Matcher matcher = RANGE.matcher(range);
        if (!matcher.matches()) {
            return List.of(range);
        }
        String first = matcher.group(1);
        String last = matcher.group(2);
        if (last == null) {
            return List.of(first);
        }
        if (first.length() > 9 || last.length() > 9) {
            throw wrong(list, "'" + range + "' is too long");
        }
        int from = Integer.parseInt(first);
        int to = Integer.parseInt(last);
        if (to < from || to - from >= MOST) {
            throw wrong(list, "'" + range + "' is no range");
        }
        List<String> numbers = new ArrayList<>();
        for (int i = from; i <= to; i++) {
            String digits = Integer.toString(i);
            numbers.add("0".repeat(Math.max(0, first.length() - digits.length())) + digits);
        }
        return numbers;
    }

    /** Writes out a list of counts, such as {@code 2(x3),1}. */
    static List<Integer> counts(String list) {
        List<Integer> counts = new ArrayList<>();
        for (String part : list.split(",")) {
            Matcher matcher = COUNT.matcher(part.strip());
            if (matcher.matches() && part.length() < 16) {
                int times = matcher.group(2) == null ? 1 : Integer.parseInt(matcher.group(2));
                for (int i = 0; i < Math.min(times, MOST); i++) {
                    counts.add(Integer.parseInt(matcher.group(1)));
                }
            }
        }
        return counts;
    }

    private static ConfigurationException wrong(String list, String why) {
        return new ConfigurationException(
                "The list of nodes '" + list + "' cannot be read: " + why + ". Set MASTER_ADDR.");
    }
}
