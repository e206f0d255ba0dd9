package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.testing.ScriptedCommunicator;
import org.yoloddp.torch.GradientHooks;
import org.yoloddp.torch.GradientViews;

@Tag("torch")
class LocalGradientsTest {

    private final Weights weights =
            new Weights(ScriptedCommunicator.of(0, 1), Weights.single(), "a", "b");

    @Test
    void aStepHasItsOwnGradientsOnly() {
        weights.step(7, "a", "b");
        assertThat(weights.gradients("a", "b")).containsExactly(7.0, 7.0);

        weights.step(2, "a");
        assertThat(weights.gradients("a", "b")).containsExactly(2.0, 0.0);
        assertThat(weights.replica.unusedEverywhere()).containsExactly("b");
        weights.close();
    }

    @Test
    void flagsAreThoseOfTheOnlyRank() {
        weights.replica.zeroGradients();
        weights.backward(1, "a", "b");
        assertThat(weights.replica.reduceGradients(new StepFlags(true, false, true)))
                .isEqualTo(new StepFlags(true, false, true));
        weights.close();
    }

    @Test
    void withoutABackwardNothingIsUnusedAndAllIsZero() {
        weights.step(7, "a", "b");
        weights.replica.zeroGradients();
        weights.replica.reduceGradients(StepFlags.NONE);

        assertThat(weights.replica.unusedEverywhere()).isEqualTo(Set.of());
        assertThat(weights.gradients("a", "b")).containsExactly(0.0, 0.0);
        weights.close();
    }

    @Test
    void aParameterThatIsFrozenMeanwhileIsNamed() {
        weights.get("b").setRequiresGradient(false);

        assertThatThrownBy(() -> weights.step(1, "a"))
                .isInstanceOf(TrainabilityChangedException.class)
                .hasMessageContaining("'b'");
        weights.close();
    }

    @Test
    void closingTakesTheGradientsOff() {
        weights.step(1, "a", "b");
        weights.replica.close();
        assertThat(GradientViews.gradient(weights.get("a"))).isNull();
        weights.close();
    }

    @Test
    void closedUnderARunningStepTheGradientsAreLeftToIt() throws Exception {
        CountDownLatch inBackward = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        try (GradientHooks waiting =
                GradientHooks.register(
                        List.of(weights.get("b")),
                        i -> {
                            inBackward.countDown();
                            awaitSeconds(closed);
                        })) {
            FutureTask<Void> step =
                    new FutureTask<>(
                            () -> {
                                weights.replica.zeroGradients();
                                weights.backward(7, "a", "b");
                            },
                            null);
            new Thread(step, "stuck rank").start();
            awaitSeconds(inBackward);
            weights.replica.close();
            closed.countDown();
            step.get(20, TimeUnit.SECONDS);
            assertThat(weights.gradients("a", "b")).containsExactly(7.0, 7.0);
        }
    }

    private static void awaitSeconds(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
