package org.yoloddp.nccl;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How far the ranks of a group are: a rank frees what it lends to the others, its communicator,
 * only when they have ended all that it took part in.
 */
final class LedgerEnds {

    private final long[] matched;
    private final long[] ended;

    /** The number of a rank's calls up to the latest that all took part in. */
    private final long[] shared;

    /** The same for messages, by pair of ranks: the numbers of the first and of the second. */
    private final Map<List<Integer>, long[]> messages = new HashMap<>();

    private final boolean[] leaving;
    private final boolean[] left;

    LedgerEnds(int size) {
        this.matched = new long[size];
        this.ended = new long[size];
        this.shared = new long[size];
        this.leaving = new boolean[size];
        this.left = new boolean[size];
    }

    void matched(int member, int count) {
        matched[member] += count;
    }

    long matched(int member) {
        return matched[member];
    }

    void collective() {
        System.arraycopy(matched, 0, shared, 0, matched.length);
    }

    void message(int a, int b) {
        messages.put(List.of(a, b), new long[] {matched[a], matched[b]});
    }

    void ended(int member, long count) {
        ended[member] = count;
    }

    void leaving(int member) {
        leaving[member] = true;
    }

    void left(int member) {
        left[member] = true;
        leaving[member] = false;
        ended[member] = Long.MAX_VALUE;
    }

    /** Finds the leaving ranks that nobody needs any more, each once. */
    List<Integer> drained() {
        List<Integer> drained = new ArrayList<>();
        for (int member = 0; member < leaving.length; member++) {
            if (leaving[member] && !left[member] && isDrained(member)) {
                leaving[member] = false;
                drained.add(member);
            }
        }
        return drained;
    }

    private boolean isDrained(int member) {
        for (int other = 0; other < ended.length; other++) {
            if (other != member && ended[other] < shared[other]) {
                return false;
            }
        }
        for (Map.Entry<List<Integer>, long[]> message : messages.entrySet()) {
            int a = message.getKey().get(0);
            int b = message.getKey().get(1);
            if (a == member && ended[b] < message.getValue()[1]
                    || b == member && ended[a] < message.getValue()[0]) {
                return false;
            }
        }
        return true;
    }
}
