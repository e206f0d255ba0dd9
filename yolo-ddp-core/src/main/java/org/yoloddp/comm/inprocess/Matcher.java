package org.yoloddp.comm.inprocess;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.Operation;

/**
 * Finds which calls of different ranks belong together: a rank's n-th collective with every other
 * rank's n-th, and its n-th message to another rank with what that one receives n-th from it.
 * Guarded by the group's lock.
 */
final class Matcher {

    private record Route(int from, int to) {}

    private final String group;
    private final int[] all;
    private final long[] submitted;
    private final Map<Long, Op> collectives = new HashMap<>();
    private final Map<Route, ArrayDeque<Op>> unreceived = new HashMap<>();
    private final Map<Route, ArrayDeque<Op>> unsent = new HashMap<>();
    private final Map<List<Integer>, Long> messages = new HashMap<>();

    Matcher(String group, int size) {
        this.group = group;
        this.all = IntStream.range(0, size).toArray();
        this.submitted = new long[size];
    }

    /** Enters a rank's call into its operation, which it makes if the rank is the first. */
    Op match(int rank, Call call) {
        return call.isMessage() ? message(rank, call) : collective(rank, call);
    }

    void clear() {
        collectives.clear();
        unreceived.clear();
        unsent.clear();
    }

    private Op collective(int rank, Call call) {
        long sequence = submitted[rank]++;
        Op op = collectives.computeIfAbsent(sequence, s -> new Op(all.length, all));
        op.arrive(rank, call.fingerprint(group, sequence), call.hostBuffer());
        if (op.isComplete()) {
            collectives.remove(sequence);
        }
        return op;
    }

    private Op message(int rank, Call call) {
        boolean sends = call.operation() == Operation.SEND;
        Route route = sends ? new Route(rank, call.peer()) : new Route(call.peer(), rank);
        Map<Route, ArrayDeque<Op>> theirs = sends ? unsent : unreceived;
        Map<Route, ArrayDeque<Op>> mine = sends ? unreceived : unsent;
        ArrayDeque<Op> waiting = theirs.get(route);
        Op op = waiting == null ? null : waiting.poll();
        if (op == null) {
            op = new Op(all.length, new int[] {route.from, route.to});
            mine.computeIfAbsent(route, r -> new ArrayDeque<>()).add(op);
        }
        long number = messages.merge(List.of(rank, route.from, route.to), 1L, Long::sum) - 1;
        op.arrive(rank, call.fingerprint(group, number), call.hostBuffer());
        return op;
    }
}
