package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.Communicator;

/** Ranks that are threads and compute in bfloat16 at the same time. */
@Tag("torch")
class MixedPrecisionTest {

    @Test
    void ranksStayEqualAndLearnNearlyWhatFloat32Does() throws Exception {
        List<float[]> mixed = trained(Precision.bfloat16());
        List<float[]> full = trained(Precision.float32());

        assertThat(mixed.get(1)).isEqualTo(mixed.get(0));
        assertThat(trained(Precision.bfloat16()).get(0)).isEqualTo(mixed.get(0));
        double largest = 0;
        for (int i = 0; i < full.get(0).length; i++) {
            largest = Math.max(largest, Math.abs(full.get(0)[i] - mixed.get(0)[i]));
        }
        // Above zero, or it was not mixed; the parameters themselves change by more than .05.
        assertThat(largest).isBetween(1e-6, .02);
    }

    /** libtorch would go on with the weights of the first step, if it kept its copies of them. */
    @Test
    void afterAStepInPlaceAForwardEqualsThatOfAFreshModel() throws Exception {
        for (Precision precision : List.of(Precision.bfloat16(), Precision.float16())) {
            List<Integer> changed = Ranks.run(2, c -> stepsAgainstAFreshModel(c, precision));
            assertThat(changed).containsExactly(5, 5);
        }
    }

    /** Returns after how many steps the outputs were others than before. */
    private static int stepsAgainstAFreshModel(Communicator communicator, Precision precision) {
        int changed = 0;
        try (MiniLoop loop =
                new MiniLoop(communicator, MiniNet.plain(), 1, Reduction.defaults(), precision)) {
            float[] before = loop.outputs(77);
            for (long step = 0; step < 5; step++) {
                loop.step(step, 2, StepFlags.NONE);
                float[] outputs = loop.outputs(77);
                assertThat(outputs).isEqualTo(loop.outputsOfAFreshModel(MiniNet.plain(), 77));
                changed += Arrays.equals(outputs, before) ? 0 : 1;
                before = outputs;
            }
        }
        return changed;
    }

    private static List<float[]> trained(Precision precision) throws Exception {
        return Ranks.run(
                2,
                c -> {
                    try (MiniLoop loop =
                            new MiniLoop(c, MiniNet.plain(), 1, Reduction.defaults(), precision)) {
                        for (long step = 0; step < 20; step++) {
                            loop.step(step, 2, StepFlags.NONE);
                        }
                        return loop.parameters();
                    }
                });
    }
}
