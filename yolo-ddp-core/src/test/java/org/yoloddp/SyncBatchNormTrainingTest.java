package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.train.Join;

/** With batch norm over all ranks W ranks train as one does with all their samples. */
@Tag("torch")
@Timeout(90)
class SyncBatchNormTrainingTest {

    private static final double EQUAL = 1e-5;
    private static final double FAR_OFF = 1e-2;

    @TempDir Path folder;

    private static Block net() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(16).build())
                .add(BatchNorm.builder().build())
                .add(Activation.reluBlock())
                .add(Linear.builder().setUnits(8).build())
                .add(BatchNorm.builder().build())
                .add(Linear.builder().setUnits(2).build());
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void trainsAsOneRank(int ranks) {
        Weights one = train(1, b -> b);
        Weights together = train(ranks, b -> b.optSyncBatchNorm(true));
        Weights late =
                train(
                        ranks,
                        b ->
                                b.optSyncBatchNorm(true)
                                        .optReduction(
                                                Reduction.defaults()
                                                        .withOverlap(false)
                                                        .withBroadcastBuffers(false)));

        assertThat(together.largestDifference(one)).isLessThanOrEqualTo(EQUAL);
        assertThat(late.largestDifference(together)).isZero();
        assertThat(train(ranks, b -> b).largestDifference(one)).isGreaterThan(FAR_OFF);
    }

    @Test
    void trainsInMixedPrecisionAsInFull() {
        Weights full = train(2, b -> b.optSyncBatchNorm(true));
        Weights mixed = train(2, b -> b.optSyncBatchNorm(true).optAmp(true));

        assertThat(mixed.largestDifference(full)).isBetween(1e-6, .2);
    }

    @Test
    void unevenInputsAreRefused() {
        try (Toy toy = new Toy()) {
            assertThatThrownBy(
                            () ->
                                    toy.builder()
                                            .optSyncBatchNorm(true)
                                            .optJoin(Join.ACTIVE_RANKS)
                                            .build())
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage(
                            "optJoin(ACTIVE_RANKS) and optSyncBatchNorm(true) exclude each other:"
                                    + " batch norm over all ranks needs all of them in every step;"
                                    + " use Join.NONE, which gives all ranks as many samples");
        }
    }

    /** Weights and running statistics after eight steps. */
    private Weights train(int ranks, UnaryOperator<DistributedTrainerBuilder> options) {
        try (Toy toy = new Toy()) {
            return Weights.of(
                    options.apply(
                            toy.builder()
                                    .setBlock(rank -> net())
                                    .optSampler(IndexSampler.distributed().shuffle(false))
                                    .optOptimizer(OptimizerSpec.sgd().momentum(.9))
                                    .setEpochs(2)
                                    .optWorld(World.threads(ranks))),
                    folder);
        }
    }
}
