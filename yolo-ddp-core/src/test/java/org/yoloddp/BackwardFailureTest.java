package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.torch.TorchException;

/** A backward that breaks off while other gradients are on their way. */
@Tag("torch")
@Timeout(60)
class BackwardFailureTest {

    @Test
    void aBackwardThatBreaksOffMidwayIsWhatTheTrainingFailsOf() {
        for (int broken = 0; broken < 2; broken++) {
            int which = broken;
            try (Toy toy = new Toy();
                    DistributedTrainer trainer =
                            toy.builder()
                                    .setBlock(rank -> net(rank.rank() == which))
                                    .optReduction(
                                            Reduction.defaults()
                                                    .withBucketBytes(4)
                                                    .withFirstBucketBytes(4))
                                    .build()) {
                Throwable failure = catchThrowable(trainer::train);

                assertThat(failure)
                        .isInstanceOf(TorchException.class)
                        .hasMessageContaining("modified by an inplace operation");
            }
        }
    }

    /** In one of its forwards a layer in the middle spoils what its own backward has kept. */
    private static Block net(boolean broken) {
        AtomicInteger forwards = new AtomicInteger();
        return new SequentialBlock()
                .add(Linear.builder().setUnits(16).build())
                .add(
                        new LambdaBlock(
                                inputs -> {
                                    NDArray kept = inputs.singletonOrThrow();
                                    NDArray square = kept.square();
                                    if (broken && forwards.incrementAndGet() == 4) {
                                        kept.addi(kept);
                                    }
                                    return new NDList(square);
                                }))
                .add(Linear.builder().setUnits(8).build())
                .add(Linear.builder().setUnits(2).build());
    }
}
