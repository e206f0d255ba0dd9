package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The root cause of a failure, as the launcher has told it.
 *
 * @param rank who failed
 * @param pid its process, -1 if it was not known
 * @param end how
 * @param last whether no restart followed
 */
record ToldFailure(int rank, long pid, String end, boolean last) {

    private static final Pattern TOLD =
            Pattern.compile(
                    "(?:.* restart \\d+ of \\d+: |(error): WorkerFailedException: )"
                            + "rank (\\d+) \\((?:process (\\d+) )?on \\S+\\) (.*?)"
                            + "(?:; restarts used up: \\d+)?"
                            + "(?:; ranks that failed after it: \\d+)?");

    /** Finds them in the launcher's output, in order. */
    static List<ToldFailure> in(String output) {
        List<ToldFailure> found = new ArrayList<>();
        output.lines()
                .filter(line -> !line.startsWith("[rank "))
                .map(TOLD::matcher)
                .filter(Matcher::matches)
                .forEach(
                        line ->
                                found.add(
                                        new ToldFailure(
                                                Integer.parseInt(line.group(2)),
                                                line.group(3) == null
                                                        ? -1
                                                        : Long.parseLong(line.group(3)),
                                                line.group(4),
                                                line.group(1) != null)));
        return found;
    }

    @Override
    public String toString() {
        return "rank " + rank + " (process " + pid + ") " + end;
    }
}
