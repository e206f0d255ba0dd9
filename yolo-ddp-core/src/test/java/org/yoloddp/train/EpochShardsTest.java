package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EpochShardsTest {

    private static final EpochShards UNEVEN = new EpochShards(new long[] {0, 9, 4}, 4);

    @Test
    void knowsWhoHasABatch() {
        assertThat(UNEVEN.steps()).isEqualTo(3);
        assertThat(UNEVEN.even()).isFalse();
        assertThat(IntStream.range(0, 3).map(UNEVEN::active)).containsExactly(2, 1, 1);
        assertThat(IntStream.range(0, 3).map(UNEVEN::firstActive)).containsExactly(1, 1, 1);
        assertThat(IntStream.range(0, 3).mapToLong(UNEVEN::samplesOf)).containsExactly(8L, 4L, 1L);
        assertThat(UNEVEN.isActive(0, 0)).isFalse();
        assertThat(UNEVEN.isActive(2, 0)).isTrue();
        assertThat(UNEVEN.isActive(2, 1)).isFalse();
    }

    @Test
    void evenSharesAreAllActiveToTheEnd() {
        EpochShards even = new EpochShards(new long[] {7, 7}, 3);
        assertThat(even.even()).isTrue();
        assertThat(even.steps()).isEqualTo(3);
        assertThat(IntStream.range(0, 3).map(even::active)).containsExactly(2, 2, 2);
        assertThat(IntStream.range(0, 3).mapToLong(even::samplesOf)).containsExactly(6L, 6L, 2L);
    }

    @Test
    void weightsMakeAnAverageOverAllOneOverTheActive() {
        assertThat(Join.ACTIVE_RANKS.weight(3, 2)).isEqualTo(1.5);
        assertThat(Join.ACTIVE_RANKS.weight(3, 3)).isEqualTo(1);
        assertThat(Join.ALL_RANKS.weight(3, 2)).isEqualTo(1);
    }
}
