package org.yoloddp.nccl;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.rendezvous.FailureMessages;

/**
 * What the ledger is told of a rank's calls in one group; guarded by the {@link NcclQueue}.
 *
 * <p>During the first steps each call is told as it is asked for. After them a step is told at its
 * end, by the number of its calls and one hash of them; a step is what lies between two calls of
 * {@code progress}. If the ranks' hashes differ the ledger asks for the calls. What cannot wait for
 * the end of the step is told call by call: when the host waits for a call, or it is late; and
 * steps with messages or splits, which are not the same on all ranks.
 */
final class NcclTelling {

    private final String group;
    private final long detailedSteps;
    private final Consumer<Note> ledger;

    /** The calls that have not matched, the oldest first. */
    private final ArrayDeque<Fingerprint> unmatched = new ArrayDeque<>();

    private long matched;
    private long told;
    private long marks;
    private boolean hashing;

    NcclTelling(String group, long detailedSteps, Consumer<Note> ledger) {
        this.group = group;
        this.detailedSteps = detailedSteps;
        this.ledger = ledger;
    }

    void asked(Fingerprint call) {
        unmatched.add(call);
        if (!hashing) {
            tellCalls();
        }
    }

    /** Ends a step. */
    void mark() {
        List<Fingerprint> step = untold();
        if (hashing && !step.isEmpty()) {
            if (step.stream().allMatch(NcclTelling::isSameOnAllRanks)) {
                ledger.accept(new Note.Hashed(group, told, step.size(), hash(step)));
                told += step.size();
            } else {
                tellCalls();
            }
        }
        marks++;
        hashing = usesHashes();
    }

    /** Tells whether the present step is one of those that are told by hash, if they can be. */
    boolean usesHashes() {
        return marks > detailedSteps;
    }

    private static boolean isSameOnAllRanks(Fingerprint call) {
        return !call.operation().isMessage() && call.operation() != Operation.SPLIT;
    }

    /** Tells what has not been told, and to the end of the step each call at once. */
    void tellCalls() {
        for (Fingerprint call : untold()) {
            ledger.accept(new Note.Posted(group, call));
        }
        told = matched + unmatched.size();
        hashing = false;
    }

    /** Tells the same if a call is not known to the ledger. */
    void tellCallsUpTo(long index) {
        if (index >= told) {
            tellCalls();
        }
    }

    /** Tells all calls that have not matched, also those that were told before. */
    void tellAgain() {
        ledger.accept(new Note.Details(group, matched, List.copyOf(unmatched)));
        told = matched + unmatched.size();
        hashing = false;
    }

    void matched(long number) {
        while (matched < number && !unmatched.isEmpty()) {
            unmatched.remove();
            matched++;
        }
    }

    private List<Fingerprint> untold() {
        List<Fingerprint> all = new ArrayList<>(unmatched);
        return all.subList((int) Math.max(0, told - matched), all.size());
    }

    private static long hash(List<Fingerprint> calls) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Fingerprint call : calls) {
                digest.update(FailureMessages.of(call));
            }
            return ByteBuffer.wrap(digest.digest()).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
