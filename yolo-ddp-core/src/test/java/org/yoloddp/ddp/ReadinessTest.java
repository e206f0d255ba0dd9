package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import org.junit.jupiter.api.Test;

class ReadinessTest {

    private static final Thread ONE = new Thread("one");
    private static final Thread OTHER = new Thread("other");

    /** Parameters 3 and 2 in bucket 0, 1 in bucket 1, 0 in bucket 2. */
    private final Readiness readiness = new Readiness(new int[] {2, 1, 0, 0});

    @Test
    void aGradientIsThereWhenTheNextIsAnnounced() {
        readiness.arm();
        assertThat(readiness.computed(3, ONE)).isTrue();
        readiness.computed(2, ONE);
        assertThat(readiness.full()).isZero();
        readiness.computed(1, ONE);
        assertThat(readiness.full()).isEqualTo(1);
        readiness.computed(0, ONE);
        assertThat(readiness.full()).isEqualTo(2);
        assertThat(readiness.order()).containsExactly(3, 2, 1, 0);
    }

    @Test
    void anotherThreadSaysNothingAboutIt() {
        readiness.arm();
        readiness.computed(3, ONE);
        readiness.computed(2, OTHER);
        readiness.computed(1, OTHER);
        assertThat(readiness.full()).isZero();
        readiness.computed(0, ONE);
        assertThat(readiness.full()).isEqualTo(1);
    }

    @Test
    void bucketsCountFromTheFirstWithoutAGap() {
        readiness.arm();
        readiness.computed(1, ONE);
        readiness.computed(0, ONE);
        readiness.computed(3, ONE);
        assertThat(readiness.full()).isZero();
        readiness.computed(2, ONE);
        assertThat(readiness.full()).isZero();
        assertThat(readiness.follows(new int[] {1, 0, 3, 2})).isTrue();
        assertThat(readiness.follows(new int[] {3, 2, 1, 0})).isFalse();
    }

    @Test
    void onlyTheArmedBackwardFillsBuckets() {
        readiness.computed(3, ONE);
        readiness.computed(2, ONE);
        readiness.computed(1, ONE);
        assertThat(readiness.full()).isZero();
        readiness.arm();
        readiness.computed(0, ONE);
        assertThat(readiness.full()).isZero();
        assertThat(readiness.computed(0, ONE)).isFalse();
        assertThat(readiness.used()).isEqualTo(BitSet.valueOf(new long[] {0b1111}));
        readiness.disarm();
        assertThat(readiness.computed(0, ONE)).isTrue();
    }

    @Test
    void aNewStepBeginsWithNothing() {
        readiness.arm();
        readiness.computed(3, ONE);
        readiness.computed(2, ONE);
        readiness.computed(1, ONE);
        readiness.reset();

        assertThat(readiness.armed()).isFalse();
        assertThat(readiness.full()).isZero();
        assertThat(readiness.order()).isEmpty();
        assertThat(readiness.used().isEmpty()).isTrue();
        readiness.layOut(new int[] {0, 0, 1, 1});
        readiness.arm();
        readiness.computed(1, ONE);
        readiness.computed(0, ONE);
        readiness.computed(2, ONE);
        assertThat(readiness.full()).isEqualTo(1);
    }
}
