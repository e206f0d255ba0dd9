package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class EarlyStoppingTest {

    @Test
    void stopsSoManyEpochsAfterTheBestOne() {
        EarlyStopping stopping = EarlyStopping.create(2, true);
        double[] fitness = {0, 0, .5, .4, .5, .4, .3};
        for (int epoch = 0; epoch < fitness.length; epoch++) {
            stopping.isBest(epoch, fitness[epoch]);
            assertThat(stopping.stopsAfter(epoch)).isEqualTo(epoch == 6);
        }
    }

    @Test
    void doesNotStopBeforeTheFirstValidationNorBetweenTwo() {
        EarlyStopping stopping = EarlyStopping.create(3, true);
        for (int epoch = 0; epoch < 15; epoch++) {
            if (epoch % 5 == 4) {
                assertThat(stopping.isBest(epoch, 1.0 / epoch)).isEqualTo(epoch == 4);
            }
            assertThat(stopping.stopsAfter(epoch)).isEqualTo(epoch == 9 || epoch == 14);
        }
    }

    @Test
    void aFitnessThatIsNotANumberNeverImproves() {
        EarlyStopping stopping = EarlyStopping.create(1, true);
        assertThat(stopping.isBest(0, Double.NaN)).isTrue();
        assertThat(stopping.isBest(1, Double.NaN)).isFalse();
        assertThat(stopping.stopsAfter(1)).isTrue();
        assertThat(stopping.isBest(2, 0)).isTrue();
        assertThat(stopping.stopsAfter(2)).isFalse();
    }

    @Test
    void neverStopsWithoutPatience() {
        EarlyStopping stopping = EarlyStopping.create(0, false);
        stopping.isBest(0, 1);
        stopping.isBest(99, 0);
        assertThat(stopping.stopsAfter(99)).isFalse();
    }

    @Test
    void patienceNeedsAValidation() {
        assertThatThrownBy(() -> EarlyStopping.create(3, false))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "patience is 3, but without a validation nothing says what improves: add"
                                + " one, or leave optPatience out");
    }
}
