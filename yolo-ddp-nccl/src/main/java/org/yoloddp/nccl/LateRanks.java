package org.yoloddp.nccl;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;

/**
 * Finds out why a call did not end: who is missing, or asks for something else, maybe elsewhere.
 */
final class LateRanks {

    private final Ledger ledger;
    private final LedgerGroup group;

    LateRanks(Ledger ledger, LedgerGroup group) {
        this.ledger = ledger;
        this.group = group;
    }

    /** Fails the group, and those in which the ranks that are missing wait for those that came. */
    void decide(int member, Note.TimedOut note, long matched) {
        LedgerCall head = group.head(member);
        if (head == null || note.index() < matched) {
            // What it waits for is agreed on, so it is the transfer that does not end.
            group.fail(
                    CollectiveTimeoutException.of(
                            note.call(),
                            note.waited(),
                            List.of(),
                            group.worldRanks(IntStream.range(0, group.size()).boxed().toList())));
            return;
        }
        List<Integer> present = group.worldRanks(head.members(true));
        Map<Integer, Fingerprint> elsewhere = new HashMap<>();
        List<LedgerGroup> others = new ArrayList<>();
        for (LedgerGroup other : ledger.groups()) {
            if (other != group && addWaitingFor(other, present, elsewhere)) {
                others.add(other);
            }
        }
        CommunicationException problem = problem(head, member, note, elsewhere);
        group.fail(problem);
        if (problem instanceof CollectiveMismatchException) {
            others.forEach(other -> other.fail(problem));
        }
    }

    /** Adds what ranks ask for in a group and can't get, because one of the given is missing. */
    private static boolean addWaitingFor(
            LedgerGroup other, List<Integer> given, Map<Integer, Fingerprint> calls) {
        boolean found = false;
        for (int member = 0; member < other.size(); member++) {
            LedgerCall head = other.head(member);
            if (head != null
                    && other.worldRanks(head.members(false)).stream().anyMatch(given::contains)) {
                calls.put(other.world[member], head.call(member));
                found = true;
            }
        }
        return found;
    }

    private CommunicationException problem(
            LedgerCall head, int member, Note.TimedOut note, Map<Integer, Fingerprint> elsewhere) {
        Map<Integer, Fingerprint> calls = new HashMap<>();
        for (int other : head.members(true)) {
            calls.put(group.world[other], head.call(other));
        }
        Fingerprint call = head.call(member);
        boolean differ = !calls.values().stream().allMatch(call::equals) && !head.isComplete();
        List<Integer> silent = new ArrayList<>();
        for (int other : head.members(false)) {
            Fingerprint asked = askedInstead(other, member, elsewhere);
            if (asked == null) {
                silent.add(group.world[other]);
            } else {
                calls.put(group.world[other], asked);
                differ = true;
            }
        }
        return differ
                ? CollectiveMismatchException.of(group.name, call.sequence(), calls, silent)
                : CollectiveTimeoutException.of(
                        call,
                        note.waited(),
                        group.worldRanks(head.members(false)),
                        group.worldRanks(head.members(true)));
    }

    private @Nullable Fingerprint askedInstead(
            int other, int member, Map<Integer, Fingerprint> elsewhere) {
        LedgerCall theirs = group.head(other);
        return theirs != null && theirs.hasPart(member)
                ? theirs.call(other)
                : elsewhere.get(group.world[other]);
    }
}
