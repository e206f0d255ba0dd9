package org.yoloddp.comm;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The ranks of a group did not ask for the same collective. Thrown on every rank. */
public final class CollectiveMismatchException extends CommunicationException {

    private static final long serialVersionUID = 1L;

    private final transient long sequence;
    private final transient TreeMap<Integer, Fingerprint> calls;
    private final transient ArrayList<Integer> silent;

    private CollectiveMismatchException(
            String message,
            String group,
            long sequence,
            Map<Integer, Fingerprint> calls,
            List<Integer> silent) {
        super(message, group, null);
        this.sequence = sequence;
        this.calls = new TreeMap<>(calls);
        this.silent = new ArrayList<>(silent);
    }

    /**
     * Creates the exception.
     *
     * @param group the name of the group
     * @param sequence the number of the collective in the group
     * @param calls what each rank asked for, by rank of the world
     * @param silent the ranks that have not asked for anything
     * @return the exception
     */
    public static CollectiveMismatchException of(
            String group, long sequence, Map<Integer, Fingerprint> calls, List<Integer> silent) {
        Map<String, List<Integer>> ranks = new LinkedHashMap<>();
        new TreeMap<>(calls)
                .forEach(
                        (rank, call) ->
                                ranks.computeIfAbsent(
                                                text(group, sequence, call), c -> new ArrayList<>())
                                        .add(rank));
        String asked =
                ranks.entrySet().stream()
                        .map(e -> Ranks.list(e.getValue()) + " asked for " + e.getKey())
                        .collect(Collectors.joining("; "));
        if (!silent.isEmpty()) {
            asked += "; " + Ranks.list(silent) + " asked for nothing yet";
        }
        return new CollectiveMismatchException(
                "The ranks of group '"
                        + group
                        + "' differ at collective "
                        + sequence
                        + ": "
                        + asked
                        + ". All ranks must submit the same collectives in the same order; look"
                        + " for a branch or a loop that not all ranks take alike.",
                group,
                sequence,
                calls,
                silent);
    }

    private static String text(String group, long sequence, Fingerprint call) {
        String text = call.describe();
        if (!call.group().equals(group)) {
            text += " as collective " + call.sequence() + " of group '" + call.group() + "'";
        } else if (call.sequence() != sequence) {
            text += " as collective " + call.sequence();
        }
        return text;
    }

    /**
     * Returns the number of the collective in its group.
     *
     * @return the sequence number, from 0
     */
    public long sequence() {
        return sequence;
    }

    /**
     * Returns what each rank asked for.
     *
     * @return the requests by rank of the world, without the ranks that had not asked yet
     */
    public SortedMap<Integer, Fingerprint> calls() {
        return new TreeMap<>(calls);
    }

    /**
     * Returns the ranks that had not asked for anything yet.
     *
     * @return the ranks, by number in the world
     */
    public List<Integer> silent() {
        return List.copyOf(silent);
    }

    @Override
    public CollectiveMismatchException copy() {
        return of(group(), sequence, calls, silent);
    }
}
