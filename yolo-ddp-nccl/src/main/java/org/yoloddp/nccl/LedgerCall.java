package org.yoloddp.nccl;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.Fingerprint;

/** One collective or message of a {@link LedgerGroup}: which ranks have asked for it, and how. */
final class LedgerCall {

    /** The ranks that take part, by number in the group. */
    final int[] participants;

    private final Map<Integer, Fingerprint> calls = new HashMap<>();

    LedgerCall(int[] participants) {
        this.participants = participants;
    }

    void arrive(int member, Fingerprint call) {
        calls.put(member, call);
    }

    boolean isComplete() {
        return calls.size() == participants.length;
    }

    boolean hasPart(int member) {
        for (int participant : participants) {
            if (participant == member) {
                return true;
            }
        }
        return false;
    }

    boolean hasCome(int member) {
        return calls.containsKey(member);
    }

    Fingerprint call(int member) {
        Fingerprint call = calls.get(member);
        if (call == null) {
            throw new IllegalStateException("Member " + member + " has not come");
        }
        return call;
    }

    /** Tells whether all ranks have asked for the same. */
    boolean isConsistent() {
        Fingerprint first = call(participants[0]);
        return Arrays.stream(participants).allMatch(member -> first.agreesWith(call(member)));
    }

    /** Lists the participants that have come, or those that have not. */
    List<Integer> members(boolean come) {
        List<Integer> members = new ArrayList<>();
        for (int participant : participants) {
            if (calls.containsKey(participant) == come) {
                members.add(participant);
            }
        }
        return members;
    }
}
