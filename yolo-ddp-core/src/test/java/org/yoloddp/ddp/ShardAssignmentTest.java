package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ShardAssignmentTest {

    @Test
    void theLargestGoesToTheLeastLoaded() {
        assertThat(ShardAssignment.owners(List.of(3L, 9L, 5L, 4L), 2)).containsExactly(0, 0, 1, 1);
        assertThat(ShardAssignment.owners(List.of(10L, 1L, 2L, 3L), 3)).containsExactly(0, 2, 2, 1);
    }

    @Test
    void amongEqualsTheFirstInTheModelAndTheLowestRank() {
        assertThat(ShardAssignment.owners(List.of(2L, 2L, 2L, 2L, 2L), 3))
                .containsExactly(0, 1, 2, 0, 1);
    }

    @Test
    void thereMayBeMoreRanksThanParameters() {
        assertThat(ShardAssignment.owners(List.of(4L), 3)).containsExactly(0);
        assertThat(ShardAssignment.owners(List.of(), 3)).isEmpty();
    }

    @Test
    void noRankHasMoreThanItsShareAndOneParameter() {
        Random random = new Random(5);
        for (int ranks = 1; ranks <= 8; ranks++) {
            List<Long> counts = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                counts.add((long) Math.exp(random.nextDouble() * 12));
            }
            long[] loads = new long[ranks];
            int[] owners = ShardAssignment.owners(counts, ranks);
            for (int i = 0; i < owners.length; i++) {
                loads[owners[i]] += counts.get(i);
            }
            long all = counts.stream().mapToLong(Long::longValue).sum();
            long largest = counts.stream().mapToLong(Long::longValue).max().orElseThrow();
            assertThat(Arrays.stream(loads).max().orElseThrow())
                    .isLessThanOrEqualTo(all / ranks + largest);
            assertThat(Arrays.stream(loads).sum()).isEqualTo(all);
        }
    }
}
