package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class HalfFloatsTest {

    @Test
    void everyFloat16SurvivesTheWayThere() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            short half = (short) bits;
            float value = HalfFloats.fromFloat16(half);
            assertThat(value).isEqualTo((Float) NaiveReduction.fromHalf(half));
            if (!Float.isNaN(value)) {
                assertThat(HalfFloats.toFloat16(value)).isEqualTo(half);
            } else {
                assertThat(HalfFloats.fromFloat16(HalfFloats.toFloat16(value))).isNaN();
            }
        }
    }

    @Test
    void roundsToTheNearestAndToEvenBetweenTwo() {
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 200_000; i++) {
            float value = Float.intBitsToFloat(random.nextInt());
            if (i % 2 == 0) {
                // Exactly between two halves, in the range that has any.
                value = Math.scalb(2049f + 2 * random.nextInt(1024), random.nextInt(40) - 30);
            }
            if (Float.isNaN(value)) {
                continue;
            }
            assertThat(HalfFloats.toFloat16(value)).isEqualTo(NaiveReduction.toHalf(value));
            assertThat(HalfFloats.toBfloat16(value)).isEqualTo(NaiveReduction.toBrain(value));
        }
    }

    @Test
    void bfloat16KeepsNaNAndInfinity() {
        assertThat(HalfFloats.fromBfloat16(HalfFloats.toBfloat16(Float.intBitsToFloat(0x7fffffff))))
                .isNaN();
        assertThat(HalfFloats.fromBfloat16(HalfFloats.toBfloat16(Float.intBitsToFloat(0x7f800001))))
                .isNaN();
        assertThat(HalfFloats.toBfloat16(Float.NEGATIVE_INFINITY)).isEqualTo((short) 0xff80);
    }
}
