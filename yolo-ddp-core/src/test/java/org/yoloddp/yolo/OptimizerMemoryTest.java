package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.comm.testing.InProcessGroup;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.ddp.Replica;
import org.yoloddp.optim.FusedOptimizer;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.torch.StateDict;

/** What a rank's optimizer remembers of yolov5n, whole and divided over the ranks. */
@Tag("torch")
class OptimizerMemoryTest {

    @ParameterizedTest
    @CsvSource({"2, adamw", "3, adamw", "2, sgd"})
    void isDividedEvenly(int ranks, String optimizer) throws Exception {
        OptimizerSpec spec =
                optimizer.equals("sgd") ? OptimizerSpec.sgd().momentum(.9) : OptimizerSpec.adamW();
        long whole = bytes(1, spec).get(0);
        List<Long> divided = bytes(ranks, spec);

        // 1.9 million parameters of 4 bytes, and two of AdamW's arrays for each
        assertThat(whole).isGreaterThan((optimizer.equals("sgd") ? 7L : 14L) << 20);
        assertThat(divided.stream().mapToLong(Long::longValue).sum()).isEqualTo(whole);
        for (long share : divided) {
            assertThat((double) share * ranks / whole).isBetween(.98, 1.02);
        }
    }

    private static List<Long> bytes(int ranks, OptimizerSpec spec) throws Exception {
        Reduction sharded = Reduction.defaults().withShardOptimizerState(true);
        return InProcessGroup.run(
                ranks,
                communicator -> {
                    try (TestModel model = new TestModel(ModelYaml.load("yolov5n"), 1)) {
                        StateDict state = StateDict.of(model.block);
                        state.trainable().forEach(entry -> entry.array().setRequiresGradient(true));
                        List<ParameterGroup> all =
                                List.of(
                                        new ParameterGroup(
                                                "all",
                                                state.parameters().stream()
                                                        .map(StateDict.Entry::name)
                                                        .toList(),
                                                0));
                        try (Replica replica =
                                        Replica.create(
                                                communicator, state, sharded, model.manager);
                                FusedOptimizer shard =
                                        FusedOptimizer.create(spec, all, state, replica::updates)) {
                            return shard.stateBytes();
                        }
                    }
                },
                Duration.ofSeconds(60));
    }
}
