package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.ddp.ModelComparison.Described;

class ModelComparisonTest {

    private static final Described A = new Described("a", "parameter float32 (3, 4)");
    private static final Described B = new Described("b", "buffer float32 (3)");

    @Test
    void equalModelsHaveNoMismatch() {
        assertThat(ModelComparison.mismatch(List.of(List.of(A, B), List.of(A, B)))).isEmpty();
        assertThat(ModelComparison.mismatch(List.of(List.of(), List.of()))).isEmpty();
    }

    @Test
    void namesTheFirstDifferenceAndWhatEachRankHas() {
        Described other = new Described("b", "buffer float32 (5)");

        assertThat(mismatch(List.of(A, B), List.of(A, other), List.of(A, B)))
                .hasMessage(
                        "the models of the ranks differ at 'b': buffer float32 (3) 'b' on ranks 0,"
                                + " 2, buffer float32 (5) 'b' on rank 1; build the same block, with"
                                + " the same layout and frozen parameters, on every rank");
    }

    @Test
    void seesAMissingEntry() {
        ReplicaMismatchException mismatch = mismatch(List.of(A), List.of(A, B));

        assertThat(mismatch)
                .hasMessage(
                        "the models of the ranks differ at 'b': nothing on rank 0, buffer float32"
                                + " (3) 'b' on rank 1; build the same block, with the same layout"
                                + " and frozen parameters, on every rank");
        assertThat(mismatch.parameter()).isEqualTo("b");
    }

    @Test
    void seesOtherNames() {
        assertThat(mismatch(List.of(A), List.of(new Described("c", A.what()))))
                .hasMessageStartingWith(
                        "the models of the ranks differ at 'a': parameter float32 (3, 4) 'a' on"
                                + " rank 0, parameter float32 (3, 4) 'c' on rank 1;");
    }

    @SafeVarargs
    private static ReplicaMismatchException mismatch(List<Described>... byRank) {
        return ModelComparison.mismatch(List.of(byRank)).orElseThrow();
    }
}
