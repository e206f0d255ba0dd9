package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThatCode;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class TrainBlockTest {

    @Test
    void trainsByEasyTrainAndByThreeRanks() {
        assertThatCode(() -> TrainBlock.main(new String[0])).doesNotThrowAnyException();
    }
}
