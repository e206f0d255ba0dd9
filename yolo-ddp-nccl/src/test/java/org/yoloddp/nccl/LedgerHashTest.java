package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;

/** The ledger compares steps by their hashes, and asks for the calls where these do not agree. */
class LedgerHashTest {

    private static final String WORLD = Ledger.WORLD;

    private final List<String> told = new ArrayList<>();
    private final List<Runnable> later = new ArrayList<>();
    private final Ledger ledger =
            new Ledger(
                    2,
                    new Ledger.Out() {
                        @Override
                        public void tell(int worldRank, Verdict verdict) {
                            told.add(worldRank + " " + text(verdict));
                        }

                        @Override
                        public void later(Duration moment, Runnable action) {
                            later.add(action);
                        }
                    });

    private static String text(Verdict verdict) {
        if (verdict instanceof Verdict.Matched matched) {
            return "matched " + matched.count();
        }
        return verdict instanceof Verdict.Failed failed
                ? failed.failure().getMessage()
                : verdict.getClass().getSimpleName();
    }

    private static Fingerprint call(long sequence, long count) {
        return new Fingerprint(
                "world",
                sequence,
                Operation.ALL_REDUCE,
                DType.F32,
                count,
                ReduceOp.AVG,
                -1,
                List.of(),
                "bucket " + sequence % 2);
    }

    private void accept(int rank, Note note) {
        ledger.accept(rank, note);
    }

    private List<String> told() {
        List<String> copy = List.copyOf(told);
        told.clear();
        return copy;
    }

    @Test
    void stepsOfOneHashMatchAndCallsGoOnAfterThem() {
        accept(0, new Note.Hashed(WORLD, 0, 2, 77));
        assertThat(told()).isEmpty();
        accept(1, new Note.Hashed(WORLD, 0, 2, 77));
        assertThat(told()).containsExactly("0 matched 2", "1 matched 2");
        accept(1, new Note.Posted(WORLD, call(2, 10)));
        accept(0, new Note.Posted(WORLD, call(2, 10)));
        assertThat(told()).containsExactly("0 matched 3", "1 matched 3");
    }

    @Test
    void otherHashesAreNoMismatchUntilTheCallsAre() {
        accept(0, new Note.Hashed(WORLD, 0, 2, 77));
        accept(1, new Note.Hashed(WORLD, 0, 1, 78));
        assertThat(told()).containsExactly("0 Details", "1 Details");
        // Rank 1 had not come so far when it told its hash; it has meanwhile.
        accept(1, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 20))));
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 20))));
        assertThat(told()).contains("0 matched 2", "1 matched 2").hasSize(4);
    }

    @Test
    void theMismatchBehindOtherHashesIsNamed() {
        accept(0, new Note.Hashed(WORLD, 0, 2, 77));
        accept(1, new Note.Hashed(WORLD, 0, 2, 78));
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 20), call(2, 10))));
        told();
        accept(1, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 21))));
        String mismatch =
                "The ranks of group 'world' differ at collective 1: rank 0 asked for allReduce(AVG,"
                        + " F32 x 20, tag 'bucket 1'); rank 1 asked for allReduce(AVG, F32 x 21,"
                        + " tag 'bucket 1'). All ranks must submit the same collectives in the same"
                        + " order; look for a branch or a loop that not all ranks take alike.";
        assertThat(told()).contains("0 " + mismatch, "1 " + mismatch);
    }

    @Test
    void aRankThatTellsCallByCallMakesTheOthersDoSoToo() {
        accept(0, new Note.Hashed(WORLD, 0, 2, 77));
        accept(1, new Note.Posted(WORLD, call(0, 10)));
        assertThat(told()).containsExactly("0 Details");
        accept(1, new Note.Posted(WORLD, call(1, 20)));
        assertThat(told()).isEmpty();
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 20))));
        assertThat(told()).contains("0 matched 2", "1 matched 2");
    }

    @Test
    void callsThatHaveMatchedMeanwhileAreNotEnteredAgain() {
        accept(0, new Note.Posted(WORLD, call(0, 10)));
        accept(1, new Note.Posted(WORLD, call(0, 10)));
        accept(0, new Note.Hashed(WORLD, 1, 1, 77));
        accept(1, new Note.Posted(WORLD, call(1, 20)));
        told();
        // Rank 0 has not heard of the match when it answers.
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10), call(1, 20))));
        assertThat(told()).containsExactly("0 matched 2", "1 matched 2");
    }

    @Test
    void whoHasLeftIsMissedInAStepToldByHash() {
        accept(0, new Note.Hashed(WORLD, 0, 1, 77));
        CommunicatorClosedException gone = CommunicatorClosedException.of("world", 1);
        accept(1, new Note.Left(WORLD, gone));
        assertThat(told()).contains("0 Details");
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10))));
        assertThat(told()).contains("0 " + gone.getMessage());
    }

    @Test
    void allRanksAreAskedBeforeItIsDecidedWhoIsLate() {
        accept(0, new Note.Posted(WORLD, call(0, 10)));
        accept(0, new Note.TimedOut(WORLD, 0, call(0, 10), Duration.ofSeconds(2), true));
        assertThat(told()).containsExactly("0 Details", "1 Details");
        accept(0, new Note.Details(WORLD, 0, List.of(call(0, 10))));
        accept(1, new Note.Details(WORLD, 0, List.of()));
        later.forEach(Runnable::run);
        assertThat(told())
                .hasSize(2)
                .allSatisfy(text -> assertThat(text).contains("rank 1 did not come"));
    }
}
