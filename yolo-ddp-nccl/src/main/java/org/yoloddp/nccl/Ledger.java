package org.yoloddp.nccl;

import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What all ranks have asked for, and what became of it: the one place that decides whether ranks
 * agree, who is missing, and what a group fails of. Knows neither threads nor time nor messages;
 * used by one thread.
 */
final class Ledger {

    /** The id of the group of all ranks. */
    static final String WORLD = "0";

    /** Where decisions go. */
    interface Out {

        void tell(int worldRank, Verdict verdict);

        /** Does something a moment later, in the ledger's own thread. */
        void later(Duration moment, Runnable action);
    }

    private final Out out;
    private final Map<String, LedgerGroup> groups = new LinkedHashMap<>();
    private final Map<Integer, Boolean> present = new HashMap<>();

    Ledger(int size, Out out) {
        this.out = out;
        open(WORLD, "world", IntStream.range(0, size).toArray());
        for (int rank = 0; rank < size; rank++) {
            present.put(rank, true);
        }
    }

    LedgerGroup open(String id, String name, int[] worldRanks) {
        LedgerGroup group = new LedgerGroup(this, id, name, worldRanks);
        groups.put(id, group);
        return group;
    }

    void close(String id) {
        groups.remove(id);
    }

    Out out() {
        return out;
    }

    List<LedgerGroup> groups() {
        return List.copyOf(groups.values());
    }

    /** Tells whether all ranks have left. */
    boolean isEmpty() {
        return present.isEmpty();
    }

    void accept(int worldRank, Note note) {
        LedgerGroup group = groups.get(note.group());
        if (group != null) {
            accept(group, group.member(worldRank), note);
        }
        if (note instanceof Note.Left && note.group().equals(WORLD)) {
            present.remove(worldRank);
            out.tell(worldRank, new Verdict.Bye(WORLD));
        }
    }

    private static void accept(LedgerGroup group, int member, Note note) {
        if (note instanceof Note.Posted posted) {
            group.told(member, posted.call());
        } else if (note instanceof Note.Hashed hashed) {
            group.told(member, hashed);
        } else if (note instanceof Note.Details details) {
            group.told(member, details);
        } else if (note instanceof Note.Ended ended) {
            group.ended(member, ended.count());
        } else if (note instanceof Note.TimedOut timedOut) {
            group.timedOut(member, timedOut);
        } else if (note instanceof Note.Failed failed) {
            group.failed(failed.failure(), failed.accusation());
        } else if (note instanceof Note.Leaving) {
            group.leaving(member);
        } else if (note instanceof Note.Left left) {
            group.left(member, left.absence());
        }
    }
}
