package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;

/** Which calls the ledger is told one by one, and which by a hash. */
class NcclTellingTest {

    private final List<Note> notes = new ArrayList<>();
    private final NcclTelling telling = new NcclTelling("0", 1, notes::add);
    private int asked;

    private Fingerprint ask(Operation operation) {
        Fingerprint call =
                new Fingerprint(
                        "world", asked++, operation, DType.F32, 8, null, 1, List.of(), "tag");
        telling.asked(call);
        return call;
    }

    /** Calls of a step, asked for in the step after those that are told one by one. */
    private void toHashing() {
        telling.mark();
        telling.mark();
    }

    private List<String> told() {
        List<String> kinds = notes.stream().map(n -> n.getClass().getSimpleName()).toList();
        notes.clear();
        return kinds;
    }

    @Test
    void theFirstStepIsToldCallByCallAndLaterOnesByOneHash() {
        telling.mark();
        ask(Operation.ALL_REDUCE);
        ask(Operation.BROADCAST);
        assertThat(told()).containsExactly("Posted", "Posted");
        telling.mark();
        ask(Operation.ALL_REDUCE);
        ask(Operation.ALL_REDUCE);
        assertThat(told()).isEmpty();
        telling.mark();
        assertThat(notes)
                .singleElement()
                .isInstanceOfSatisfying(
                        Note.Hashed.class,
                        hashed -> {
                            assertThat(hashed.from()).isEqualTo(2);
                            assertThat(hashed.count()).isEqualTo(2);
                        });
        notes.clear();
        telling.mark();
        assertThat(told()).as("a step without a call").isEmpty();
    }

    @Test
    void hashesTellApartWhatCallsDifferIn() {
        NcclTelling other = new NcclTelling("0", 0, notes::add);
        toHashing();
        other.mark();
        for (long count : new long[] {8, 8, 9}) {
            Fingerprint call =
                    new Fingerprint(
                            "world",
                            0,
                            Operation.BARRIER,
                            DType.F32,
                            count,
                            null,
                            1,
                            List.of(),
                            "");
            (notes.isEmpty() ? telling : other).asked(call);
            (notes.isEmpty() ? telling : other).mark();
        }
        List<Long> hashes = notes.stream().map(n -> ((Note.Hashed) n).hash()).toList();
        assertThat(hashes).hasSize(3);
        assertThat(hashes.get(0)).isEqualTo(hashes.get(1)).isNotEqualTo(hashes.get(2));
    }

    @Test
    void whatIsWaitedForIsToldAtOnceAndSoIsTheRestOfTheStep() {
        toHashing();
        ask(Operation.ALL_REDUCE);
        telling.tellCallsUpTo(0);
        assertThat(told()).containsExactly("Posted");
        telling.tellCallsUpTo(0);
        ask(Operation.ALL_REDUCE);
        assertThat(told()).containsExactly("Posted");
        telling.mark();
        ask(Operation.ALL_REDUCE);
        telling.mark();
        assertThat(told()).containsExactly("Hashed");
    }

    @Test
    void messagesAreToldCallByCall() {
        toHashing();
        ask(Operation.ALL_REDUCE);
        ask(Operation.SEND);
        telling.mark();
        assertThat(told()).containsExactly("Posted", "Posted");
    }

    @Test
    void whoIsAskedTellsAllThatHasNotMatched() {
        toHashing();
        ask(Operation.ALL_REDUCE);
        Fingerprint second = ask(Operation.ALL_REDUCE);
        telling.mark();
        Fingerprint third = ask(Operation.ALL_REDUCE);
        telling.matched(1);
        notes.clear();
        telling.tellAgain();
        assertThat(notes).containsExactly(new Note.Details("0", 1, List.of(second, third)));
        notes.clear();
        telling.mark();
        assertThat(told()).isEmpty();
    }
}
