package org.yoloddp.nccl;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;

/**
 * The calls of one group in a {@link Ledger}.
 *
 * <p>Each rank has a queue of what it has asked for. A call has matched when it is complete,
 * consistent, and at the head of the queues of all its participants: NCCL too executes in order, so
 * two ranks that have each come to the other's second call first would wait for ever.
 */
final class LedgerGroup {

    /** How long a better explanation may take than what NCCL says by itself. */
    static final Duration ACCUSATION = Duration.ofMillis(600);

    final String id;
    final String name;
    final int[] world;

    private final Ledger ledger;
    private final List<ArrayDeque<LedgerCall>> queues = new ArrayList<>();
    private final LedgerTold told;
    private final LedgerMatcher calls;
    private final LedgerEnds ends;
    private final @Nullable CommunicationException[] absent;
    private final List<LedgerGroup> children = new ArrayList<>();
    private @Nullable CommunicationException failure;
    private @Nullable CommunicationException accusation;

    LedgerGroup(Ledger ledger, String id, String name, int[] world) {
        this.ledger = ledger;
        this.id = id;
        this.name = name;
        this.world = world;
        int size = world.length;
        this.told = new LedgerTold(size);
        this.calls = new LedgerMatcher(size);
        this.ends = new LedgerEnds(size);
        this.absent = new CommunicationException[size];
        for (int i = 0; i < size; i++) {
            queues.add(new ArrayDeque<>());
        }
    }

    int member(int worldRank) {
        for (int i = 0; i < world.length; i++) {
            if (world[i] == worldRank) {
                return i;
            }
        }
        throw new IllegalArgumentException("Rank " + worldRank + " is not in group '" + name + "'");
    }

    List<Integer> worldRanks(List<Integer> members) {
        return members.stream().map(m -> world[m]).toList();
    }

    @Nullable LedgerCall head(int member) {
        return queues.get(member).peek();
    }

    void told(int member, Fingerprint call) {
        told.add(member, call);
        enterTold();
    }

    void told(int member, Note.Hashed step) {
        told.add(member, step);
        enterTold();
    }

    void told(int member, Note.Details details) {
        told.replace(member, details);
        enterTold();
    }

    /** Enters what can be entered, and asks for the calls where hashes are of no use. */
    private void enterTold() {
        int same = 1;
        while (same > 0 && failure == null) {
            told.forEachCall(this::enter);
            same = queues.stream().allMatch(ArrayDeque::isEmpty) ? told.takeSame() : 0;
            if (same > 0) {
                matchedAll(same);
            }
        }
        if (failure == null) {
            told.toAsk(member -> absent[member] != null || !queues.get(member).isEmpty())
                    .forEach(this::askForDetails);
        }
    }

    private void askForDetails(int member) {
        ledger.out().tell(world[member], new Verdict.Details(id));
    }

    private void matchedAll(int count) {
        for (int member = 0; member < world.length; member++) {
            calls.skip(member, count);
            ends.matched(member, count);
        }
        ends.collective();
        for (int member = 0; member < world.length; member++) {
            tellMatched(member);
        }
        checkDrained();
    }

    private void enter(int member, Fingerprint call) {
        if (failure != null) {
            return;
        }
        LedgerCall entered = calls.match(member, call);
        queues.get(member).add(entered);
        if (entered.isComplete()) {
            tryMatch(entered);
        } else {
            checkAbsent(entered);
        }
    }

    private void tryMatch(LedgerCall first) {
        ArrayDeque<LedgerCall> candidates = new ArrayDeque<>();
        candidates.add(first);
        while (!candidates.isEmpty() && failure == null) {
            LedgerCall call = candidates.poll();
            if (!call.isComplete() || !isNext(call)) {
                continue;
            }
            if (!call.isConsistent()) {
                Map<Integer, Fingerprint> asked = new HashMap<>();
                for (int member : call.participants) {
                    asked.put(world[member], call.call(member));
                }
                long sequence = call.call(call.participants[0]).sequence();
                fail(CollectiveMismatchException.of(name, sequence, asked, List.of()));
                return;
            }
            matched(call, candidates);
        }
    }

    private boolean isNext(LedgerCall call) {
        for (int member : call.participants) {
            LedgerCall head = head(member);
            if (head != call) {
                checkCrossing(call, member, head);
                return false;
            }
        }
        return true;
    }

    /** Two ranks that both have come to two calls, each to the other's second one first. */
    private void checkCrossing(LedgerCall call, int member, @Nullable LedgerCall head) {
        if (head == null || !head.isComplete()) {
            return;
        }
        for (int other : call.participants) {
            if (other != member && head.hasPart(other) && head(other) == call) {
                Map<Integer, Fingerprint> asked = new HashMap<>();
                asked.put(world[other], call.call(other));
                asked.put(world[member], head.call(member));
                fail(
                        CollectiveMismatchException.of(
                                name, call.call(other).sequence(), asked, List.of()));
                return;
            }
        }
    }

    private void matched(LedgerCall call, ArrayDeque<LedgerCall> candidates) {
        Fingerprint asked = call.call(call.participants[0]);
        if (asked.operation() == Operation.SPLIT) {
            int[] ranks =
                    asked.counts().stream().mapToInt(r -> world[Math.toIntExact(r)]).toArray();
            children.add(ledger.open(childId(id, asked.sequence()), asked.tag(), ranks));
        }
        for (int member : call.participants) {
            queues.get(member).poll();
            ends.matched(member, 1);
        }
        if (call.participants.length == world.length && !asked.operation().isMessage()) {
            ends.collective();
        } else {
            ends.message(call.participants[0], call.participants[1]);
        }
        for (int member : call.participants) {
            tellMatched(member);
            LedgerCall head = head(member);
            if (head != null) {
                candidates.add(head);
            }
        }
        checkDrained();
    }

    /** Names the group that a split makes; all its ranks come to the same. */
    static String childId(String parent, long sequence) {
        return parent + "." + sequence;
    }

    private void tellMatched(int member) {
        if (absent[member] == null) {
            ledger.out().tell(world[member], new Verdict.Matched(id, ends.matched(member)));
        }
    }

    private void checkAbsent(LedgerCall call) {
        for (int member : call.participants) {
            if (absent[member] != null && !call.hasCome(member)) {
                fail(absent[member]);
                return;
            }
        }
    }

    void ended(int member, long count) {
        ends.ended(member, count);
        checkDrained();
    }

    void leaving(int member) {
        ends.leaving(member);
        checkDrained();
    }

    private void checkDrained() {
        for (int member : ends.drained()) {
            ledger.out().tell(world[member], new Verdict.Drained(id));
        }
    }

    /** Takes a rank out; whoever waits for it fails, and so does what it has left behind. */
    void left(int member, CommunicationException absence) {
        absent[member] = absence;
        ends.left(member);
        boolean missed = !queues.get(member).isEmpty();
        for (ArrayDeque<LedgerCall> queue : queues) {
            for (LedgerCall call : queue) {
                missed |= call.hasPart(member) && !call.hasCome(member);
            }
        }
        if (missed && failure == null) {
            fail(absence);
        }
        enterTold();
        if (Arrays.stream(absent).allMatch(left -> left != null)) {
            ledger.close(id);
        }
        checkDrained();
    }

    /** Decides what a call that did not end in time died of, once all has been told. */
    void timedOut(int member, Note.TimedOut note) {
        if (!note.hashes()) {
            decide(member, note);
            return;
        }
        for (LedgerGroup group : ledger.groups()) {
            for (int other = 0; other < group.size(); other++) {
                group.askForDetails(other);
            }
        }
        ledger.out().later(ACCUSATION, () -> decide(member, note));
    }

    private void decide(int member, Note.TimedOut note) {
        if (failure == null) {
            new LateRanks(ledger, this).decide(member, note, ends.matched(member));
        }
    }

    /** Takes a failure, or keeps an accusation until nobody has said anything better. */
    void failed(CommunicationException cause, boolean isAccusation) {
        if (!isAccusation) {
            fail(cause);
        } else if (failure == null && accusation == null) {
            accusation = cause;
            ledger.out().later(ACCUSATION, () -> fail(cause));
        }
    }

    /** Fails the group and those split from it; the first failure stays. */
    void fail(CommunicationException cause) {
        if (failure != null) {
            return;
        }
        failure = cause;
        told.clear();
        calls.clear();
        queues.forEach(ArrayDeque::clear);
        for (int worldRank : world) {
            ledger.out().tell(worldRank, new Verdict.Failed(id, cause));
        }
        children.forEach(child -> child.fail(cause));
    }

    boolean hasFailed() {
        return failure != null;
    }

    int size() {
        return world.length;
    }
}
