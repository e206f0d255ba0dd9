package org.yoloddp.nccl;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;

/**
 * Finds which calls of different ranks belong together: a rank's n-th collective with every other
 * rank's n-th, and its n-th message to another rank with what that one receives n-th from it.
 */
final class LedgerMatcher {

    private record Route(int from, int to) {}

    private final int[] all;
    private final long[] collectives;
    private final Map<Long, LedgerCall> open = new HashMap<>();
    private final Map<Route, ArrayDeque<LedgerCall>> unreceived = new HashMap<>();
    private final Map<Route, ArrayDeque<LedgerCall>> unsent = new HashMap<>();

    LedgerMatcher(int size) {
        this.all = IntStream.range(0, size).toArray();
        this.collectives = new long[size];
    }

    /** Enters a rank's call into the one it belongs to, which is made if the rank is the first. */
    LedgerCall match(int member, Fingerprint call) {
        return call.operation().isMessage() ? message(member, call) : collective(member, call);
    }

    /** Takes note of collectives that have matched without being entered. */
    void skip(int member, int count) {
        collectives[member] += count;
    }

    void clear() {
        open.clear();
        unreceived.clear();
        unsent.clear();
    }

    private LedgerCall collective(int member, Fingerprint call) {
        long number = collectives[member]++;
        LedgerCall found = open.computeIfAbsent(number, n -> new LedgerCall(all));
        found.arrive(member, call);
        if (found.isComplete()) {
            open.remove(number);
        }
        return found;
    }

    private LedgerCall message(int member, Fingerprint call) {
        boolean sends = call.operation() == Operation.SEND;
        Route route = sends ? new Route(member, call.peer()) : new Route(call.peer(), member);
        Map<Route, ArrayDeque<LedgerCall>> theirs = sends ? unsent : unreceived;
        Map<Route, ArrayDeque<LedgerCall>> mine = sends ? unreceived : unsent;
        ArrayDeque<LedgerCall> waiting = theirs.get(route);
        LedgerCall found = waiting == null ? null : waiting.poll();
        if (found == null) {
            found = new LedgerCall(new int[] {route.from, route.to});
            mine.computeIfAbsent(route, r -> new ArrayDeque<>()).add(found);
        }
        found.arrive(member, call);
        return found;
    }
}
