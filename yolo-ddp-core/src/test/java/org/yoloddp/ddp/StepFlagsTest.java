package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class StepFlagsTest {

    @Test
    void unionHoldsWhatEitherAsksFor() {
        StepFlags cancel = new StepFlags(true, false, false);
        StepFlags save = new StepFlags(false, false, true);

        assertThat(cancel.or(save)).isEqualTo(new StepFlags(true, false, true));
        assertThat(StepFlags.NONE.or(save)).isEqualTo(save);
        assertThat(StepFlags.NONE.any()).isFalse();
        assertThat(new StepFlags(false, true, false).any()).isTrue();
    }
}
