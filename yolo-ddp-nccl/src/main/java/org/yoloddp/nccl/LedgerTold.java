package org.yoloddp.nccl;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Fingerprint;

/**
 * What the ranks of a group have told and the ledger has not entered yet: because it knows only the
 * hash of a step, and waits for those of the others or has asked for the calls.
 */
final class LedgerTold {

    /** One call, or the hash of some. */
    private record Item(@Nullable Fingerprint call, Note.@Nullable Hashed step) {}

    private final List<ArrayDeque<Item>> items = new ArrayList<>();
    private final long[] entered;
    private final boolean[] asked;

    LedgerTold(int size) {
        this.entered = new long[size];
        this.asked = new boolean[size];
        for (int i = 0; i < size; i++) {
            items.add(new ArrayDeque<>());
        }
    }

    void add(int member, Fingerprint call) {
        items.get(member).add(new Item(call, null));
    }

    void add(int member, Note.Hashed step) {
        items.get(member).add(new Item(null, step));
    }

    /** Takes calls in place of all that the rank has told before and that has not been entered. */
    void replace(int member, Note.Details details) {
        ArrayDeque<Item> queue = items.get(member);
        queue.clear();
        long index = details.from();
        for (Fingerprint call : details.calls()) {
            if (index++ >= entered[member]) {
                queue.add(new Item(call, null));
            }
        }
        asked[member] = false;
    }

    /** Takes out the calls that no hash stands before. */
    void forEachCall(BiConsumer<Integer, Fingerprint> action) {
        for (int member = 0; member < items.size(); member++) {
            ArrayDeque<Item> queue = items.get(member);
            Item head = queue.peek();
            while (head != null && head.call() != null) {
                queue.poll();
                entered[member]++;
                action.accept(member, head.call());
                head = queue.peek();
            }
        }
    }

    private Note.@Nullable Hashed step(int member) {
        Item head = items.get(member).peek();
        return head == null ? null : head.step();
    }

    /**
     * Takes out a step of which all ranks have told the same hash.
     *
     * @return the number of its calls, 0 if there is no such step
     */
    int takeSame() {
        Note.Hashed first = step(0);
        if (first == null) {
            return 0;
        }
        for (int member = 1; member < items.size(); member++) {
            if (!isSame(first, step(member))) {
                return 0;
            }
        }
        for (int member = 0; member < items.size(); member++) {
            items.get(member).poll();
            entered[member] += first.count();
        }
        return first.count();
    }

    private static boolean isSame(Note.Hashed step, Note.@Nullable Hashed other) {
        return other != null && step.count() == other.count() && step.hash() == other.hash();
    }

    /**
     * Finds the ranks that have told a hash which is of no use, because another rank's next step
     * has another one, or another rank is where the caller says so; each until it has answered.
     */
    List<Integer> toAsk(IntPredicate isElsewhere) {
        Note.Hashed first = null;
        boolean useless = false;
        for (int member = 0; member < items.size(); member++) {
            Note.Hashed step = step(member);
            useless |= isElsewhere.test(member);
            useless |= first != null && step != null && !isSame(first, step);
            first = first == null ? step : first;
        }
        List<Integer> members = new ArrayList<>();
        for (int member = 0; useless && member < items.size(); member++) {
            if (step(member) != null && !asked[member]) {
                asked[member] = true;
                members.add(member);
            }
        }
        return members;
    }

    void clear() {
        items.forEach(ArrayDeque::clear);
    }
}
