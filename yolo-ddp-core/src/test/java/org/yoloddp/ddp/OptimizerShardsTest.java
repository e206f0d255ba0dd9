package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.Communicator;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;

/** Training with a divided optimizer state gives the bits of training with a whole one. */
@Tag("torch")
class OptimizerShardsTest {

    private static final int STEPS = 8;
    private static final Reduction WHOLE =
            Reduction.defaults().withBucketBytes(2000).withFirstBucketBytes(500).withVerifyEvery(3);
    private static final Reduction SHARDED = WHOLE.withShardOptimizerState(true);

    private record Trained(
            float[] parameters,
            List<Double> norms,
            Map<String, float[]> state,
            long stateBytes,
            Set<String> updated) {}

    static Stream<Arguments> optimizers() {
        List<Arguments> all = new ArrayList<>();
        for (int ranks : new int[] {2, 3}) {
            all.add(Arguments.of(OptimizerSpec.sgd(), ranks));
            all.add(Arguments.of(OptimizerSpec.sgd().momentum(.9), ranks));
            all.add(Arguments.of(OptimizerSpec.sgd().momentum(.9).nesterov(), ranks));
            all.add(Arguments.of(OptimizerSpec.adamW(), ranks));
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("optimizers")
    void resultsAreBitForBitThoseOfAWholeState(OptimizerSpec spec, int ranks) throws Exception {
        Trained whole = train(WHOLE, spec, ranks, UnaryOperator.identity()).get(0);
        List<Trained> sharded = train(SHARDED, spec, ranks, UnaryOperator.identity());

        Map<String, float[]> state = new LinkedHashMap<>();
        for (Trained rank : sharded) {
            assertThat(rank.parameters()).isEqualTo(whole.parameters());
            assertThat(rank.norms()).isEqualTo(whole.norms());
            rank.state().forEach((name, values) -> assertThat(state.put(name, values)).isNull());
        }
        assertThat(state.keySet()).containsExactlyInAnyOrderElementsOf(whole.state().keySet());
        state.forEach((name, values) -> assertThat(values).isEqualTo(whole.state().get(name)));
    }

    @Test
    void withoutGatheringItIsFarOff() throws Exception {
        OptimizerSpec spec = OptimizerSpec.sgd().momentum(.9);
        Reduction unverified = SHARDED.withVerifyEvery(0);
        Trained whole = train(WHOLE, spec, 2, UnaryOperator.identity()).get(0);
        Trained alone =
                train(unverified, spec, 2, Tampered.skipping(tag -> tag.contains("updated")))
                        .get(0);

        double largest = 0;
        for (int i = 0; i < alone.parameters().length; i++) {
            largest = Math.max(largest, Math.abs(alone.parameters()[i] - whole.parameters()[i]));
        }
        assertThat(largest).isGreaterThan(1e-2);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void memoryIsDividedByTheRanks(int ranks) throws Exception {
        OptimizerSpec spec = OptimizerSpec.adamW();
        Trained whole = train(WHOLE, spec, ranks, UnaryOperator.identity()).get(0);
        List<Trained> sharded = train(SHARDED, spec, ranks, UnaryOperator.identity());

        assertThat(sharded.stream().mapToLong(Trained::stateBytes).sum())
                .isEqualTo(whole.stateBytes());
        long most = sharded.stream().mapToLong(Trained::stateBytes).max().orElseThrow();
        // The largest parameter, the weight of the linear layer, is most of this net.
        assertThat(most).isLessThan((long) (.85 * whole.stateBytes()));
        Set<String> all = new HashSet<>();
        for (Trained rank : sharded) {
            rank.updated().forEach(name -> assertThat(all.add(name)).isTrue());
        }
        assertThat(all).isEqualTo(whole.updated());
    }

    @Test
    void parametersKeepTheirLayoutAndGetTheirOwnMemoryBack() throws Exception {
        Ranks.run(
                2,
                c -> {
                    MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 7, SHARDED);
                    NDArray filters = loop.state().entries().get(2).array();
                    assertThat(Layouts.isChannelsLast(filters)).isTrue();
                    assertThat(ForeignMemory.address(filters) % 64).isZero();
                    loop.step(0, 2, StepFlags.NONE);
                    float[] before = loop.parameters();
                    long shared = ForeignMemory.address(filters);
                    loop.replica().close();
                    assertThat(ForeignMemory.address(filters)).isNotEqualTo(shared);
                    assertThat(Layouts.isChannelsLast(filters)).isTrue();
                    assertThat(loop.parameters()).isEqualTo(before);
                    loop.close();
                    return null;
                });
    }

    @Test
    void aRankAloneKeepsEverything() throws Exception {
        OptimizerSpec spec = OptimizerSpec.adamW();
        Trained whole = train(WHOLE, spec, 1, UnaryOperator.identity()).get(0);
        Trained sharded = train(SHARDED, spec, 1, Tampered::refusing).get(0);
        assertThat(sharded.parameters()).isEqualTo(whole.parameters());
        assertThat(sharded.stateBytes()).isEqualTo(whole.stateBytes());
    }

    private static List<Trained> train(
            Reduction reduction, OptimizerSpec spec, int ranks, UnaryOperator<Communicator> tamper)
            throws Exception {
        return Ranks.run(ranks, tamper, c -> train(reduction, spec, c));
    }

    private static Trained train(
            Reduction reduction, OptimizerSpec spec, Communicator communicator) {
        try (MiniLoop loop =
                new MiniLoop(
                        communicator, MiniNet.plain(), 7, reduction, Precision.float32(), spec)) {
            for (long step = 0; step < STEPS; step++) {
                loop.step(step, 2, StepFlags.NONE);
            }
            Map<String, float[]> state = new LinkedHashMap<>();
            loop.optimizer()
                    .state()
                    .forEach((name, array) -> state.put(name, array.toFloatArray()));
            Set<String> updated = new HashSet<>();
            for (StateDict.Entry entry : loop.state().trainable()) {
                if (loop.replica().updates(entry.name())) {
                    updated.add(entry.name());
                }
            }
            return new Trained(
                    loop.parameters(), loop.norms(), state, loop.optimizer().stateBytes(), updated);
        }
    }
}
