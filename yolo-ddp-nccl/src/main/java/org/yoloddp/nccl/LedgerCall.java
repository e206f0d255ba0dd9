package org.yoloddp.nccl;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;

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

    static boolean isMessage(Operation operation) {
        return operation == Operation.SEND || operation == Operation.RECV;
    }

    /** Tells whether all ranks have asked for the same. */
    boolean isConsistent() {
        Fingerprint first = call(participants[0]);
        boolean message = isMessage(first.operation());
        for (int member : participants) {
            Fingerprint call = call(member);
            boolean same =
                    message
                            ? call.dtype() == first.dtype()
                                    && call.count() == first.count()
                                    && call.tag().equals(first.tag())
                            : call.equals(first);
            if (!same) {
                return false;
            }
        }
        return true;
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
