package org.yoloddp.nccl;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.StreamEvent;

/** A rank's calls in one group, in their order, and how far they are. Thread-safe. */
final class NcclQueue {

    private record Route(Operation operation, int peer) {}

    private final NcclGroup group;
    private final NcclTelling telling;
    private final ArrayDeque<NcclWork> pending = new ArrayDeque<>();
    private final Map<Route, Long> messages = new HashMap<>();
    private long count;
    private long collectives;
    private long ended;
    private long endedTold;
    private long gate;
    private boolean closed;
    private @Nullable NcclWork latest;
    private volatile long matched;

    NcclQueue(NcclGroup group) {
        this.group = group;
        this.telling =
                new NcclTelling(group.id, group.session.options().detailedSteps(), this::post);
    }

    /** Numbers a call and tells the ledger of it. */
    synchronized NcclWork add(Call call, StreamEvent ready) {
        if (closed) {
            ready.close();
            throw CommunicatorClosedException.of(group.name, group.worldRank());
        }
        NcclWork work = new NcclWork(group, fingerprint(call), count++, call.buffer(), ready);
        pending.add(work);
        latest = work;
        telling.asked(work.call);
        return work;
    }

    private void post(Note note) {
        if (!group.failing.hasFailed()) {
            group.session.post(note);
        }
    }

    private Fingerprint fingerprint(Call call) {
        long sequence =
                call.isMessage()
                        ? messages.merge(new Route(call.operation(), call.peer()), 1L, Long::sum)
                                - 1
                        : collectives++;
        return call.fingerprint(group.name, sequence);
    }

    /** Lets nothing more in; false if it was so before. */
    synchronized boolean close() {
        boolean first = !closed;
        closed = true;
        return first;
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Marks the end of a step: what was asked for has to match before more is asked for. */
    synchronized void mark() {
        gate = count;
        telling.mark();
    }

    /** Lets the ledger know a call, whose end somebody waits for before the step is over. */
    synchronized void tell(NcclWork work) {
        telling.tellCallsUpTo(work.index);
    }

    /** Lets the ledger know all calls so far. */
    synchronized void tellAll() {
        telling.tellCalls();
    }

    /** Gives the ledger the calls of which it knows a hash only, and all later ones. */
    synchronized void tellAgain() {
        telling.tellAgain();
    }

    /** Tells whether the ledger may lack calls of ranks that are at this step. */
    synchronized boolean usesHashes() {
        return telling.usesHashes();
    }

    /** Tells whether the step before the last mark has matched. */
    synchronized boolean isGateOpen() {
        return matched >= gate;
    }

    /** Tells whether all ranks concerned have asked for the same. */
    boolean isMatched(NcclWork work) {
        return matched > work.index;
    }

    synchronized void matched(long number) {
        matched = Math.max(matched, number);
        telling.matched(matched);
    }

    /** Takes out what has ended. */
    synchronized void removeEnded() {
        for (NcclWork head = pending.peek();
                head != null && head.hasEnded();
                head = pending.peek()) {
            pending.remove();
            ended++;
        }
    }

    synchronized long ended() {
        return ended;
    }

    /** The number of calls that have ended, if the ledger does not know it yet; otherwise -1. */
    synchronized long endedToTell() {
        if (ended == endedTold || group.failing.hasFailed()) {
            return -1;
        }
        endedTold = ended;
        return ended;
    }

    /** The calls that have not ended, the oldest first. */
    synchronized List<NcclWork> open() {
        return new ArrayList<>(pending);
    }

    /** The oldest call that has not ended. */
    synchronized @Nullable NcclWork oldest() {
        return pending.peek();
    }

    synchronized @Nullable NcclWork latest() {
        return latest;
    }

    synchronized boolean isAllLaunched() {
        return pending.stream().allMatch(NcclWork::isLaunched);
    }

    /** What the rank is doing in the group, as messages show it. */
    String operation() {
        for (NcclWork work : open()) {
            if (!work.see()) {
                return "during " + work;
            }
        }
        NcclWork last = latest();
        return last == null ? "before its first collective" : "after " + last;
    }
}
