package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.norm.Dropout;
import ai.djl.training.ParameterStore;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class RankDropoutTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void twoTrainingsOfTwoConcurrentRanksGiveTheSameBits() throws Exception {
        List<ReplicaHashes> first = trained(MiniNet.withDropout(), MiniNet.withDropout());

        assertThat(trained(MiniNet.withDropout(), MiniNet.withDropout())).isEqualTo(first);
        assertThat(trained(MiniNet.plain(), MiniNet.plain())).isNotEqualTo(first);
    }

    private static List<ReplicaHashes> trained(Block... byRank) throws Exception {
        return Ranks.run(
                byRank.length,
                c -> {
                    try (MiniLoop loop =
                            new MiniLoop(c, byRank[c.rank()], 1, Reduction.defaults())) {
                        for (long step = 0; step < 10; step++) {
                            loop.step(step, 2, StepFlags.NONE);
                        }
                        return loop.replica().hashes(10);
                    }
                });
    }

    @Test
    void theMaskDependsOnSeedRankStepAndBlockAlone() {
        float[] mask = mask(1, 0, 0);

        assertThat(mask(1, 0, 0)).isEqualTo(mask);
        assertThat(mask(2, 0, 0)).isNotEqualTo(mask);
        assertThat(mask(1, 1, 0)).isNotEqualTo(mask);
        assertThat(mask(1, 0, 1)).isNotEqualTo(mask);

        RankDropout first = new RankDropout(.5);
        RankDropout second = new RankDropout(.5);
        StepRandomness.of(new SequentialBlock().add(first).add(second), 1, 0).begin(0);
        assertThat(forward(first, true)).isEqualTo(mask).isNotEqualTo(forward(second, true));
    }

    @Test
    void aStepGoesOnFromForwardToForwardAndCanBeRepeated() {
        RankDropout dropout = new RankDropout(.5);
        StepRandomness randomness = StepRandomness.of(dropout, 1, 0);

        randomness.begin(3);
        float[] first = forward(dropout, true);
        float[] second = forward(dropout, true);
        randomness.begin(3);

        assertThat(second).isNotEqualTo(first);
        assertThat(forward(dropout, true)).isEqualTo(first);
        assertThat(forward(dropout, true)).isEqualTo(second);
    }

    @Test
    void dropsTheGivenShareAndScalesTheRest() {
        float[] mask = mask(1, 0, 0);
        int kept = 0;
        for (float value : mask) {
            assertThat(value).isIn(0f, 2f);
            kept += value > 0 ? 1 : 0;
        }
        assertThat(kept / (double) mask.length).isCloseTo(.5, within(.05));
    }

    @Test
    void changesNothingOutsideTraining() {
        assertThat(forward(new RankDropout(.5), false)).containsOnly(1f);
        assertThat(forward(new RankDropout(0), true)).containsOnly(1f);
    }

    @Test
    void namesTheBlocksThatDrawFromTheGeneratorOfAllThreads() {
        Block block =
                new SequentialBlock()
                        .add(new RankDropout(.5))
                        .add(new SequentialBlock().add(Dropout.builder().build()));

        assertThat(StepRandomness.of(block, 1, 0).sharedGeneratorBlocks())
                .containsExactly("02SequentialBlock.01Dropout");
    }

    @Test
    void refusesARateOutsideItsRange() {
        assertThatThrownBy(() -> new RankDropout(1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("dropout rate is 1.0, must be from 0 to below 1");
    }

    private float[] mask(long seed, int rank, long step) {
        RankDropout dropout = new RankDropout(.5);
        StepRandomness.of(dropout, seed, rank).begin(step);
        return forward(dropout, true);
    }

    private float[] forward(RankDropout dropout, boolean training) {
        NDArray ones = manager.ones(new Shape(2000));
        return dropout.forward(new ParameterStore(manager, false), new NDList(ones), training)
                .singletonOrThrow()
                .toFloatArray();
    }
}
