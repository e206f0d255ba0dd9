package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.ddp.GradientBucket.Slot;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.TorchRuntime;

/** The ends of the range of halves, and gradients of other types. */
@Tag("torch")
class HalfHookTest {

    private static final float[] GRADIENT = {70000, 1e-8f, -3, 1 + 0x1p-9f};

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    @Test
    void float16HasASmallRangeAndBfloat16FewDigits() throws Exception {
        for (float[] rank : Ranks.run(2, c -> average(c, CommunicationHooks.float16()))) {
            assertThat(rank).containsExactly(Float.POSITIVE_INFINITY, 0, -3, 1 + 0x1p-9f);
        }
        for (float[] rank : Ranks.run(2, c -> average(c, CommunicationHooks.bfloat16()))) {
            assertThat(rank[0]).isEqualTo(70144);
            assertThat(rank[1]).isBetween(.99e-8f, 1.01e-8f);
            assertThat(rank[2]).isEqualTo(-3);
            assertThat(rank[3]).isEqualTo(1);
        }
    }

    private static float[] average(Communicator communicator, CommunicationHook.Factory factory) {
        try (NDManager manager = NDManager.newBaseManager()) {
            HookBucket bucket =
                    HookBucket.of(communicator, manager, 0, Map.of("a", new Shape(4)), true);
            bucket.write("a", GRADIENT);
            reduce(communicator, manager, factory, bucket.bucket());
            return bucket.read("a");
        }
    }

    private static void reduce(
            Communicator communicator,
            NDManager manager,
            CommunicationHook.Factory factory,
            GradientBucket bucket) {
        try (CommunicationHook hook = factory.create(communicator, List.of(bucket), manager)) {
            hook.start(bucket).await(communicator.deadline());
        }
    }

    @Test
    void doublesAreSentAsHalvesAndHalvesAsTheyAre() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (NDManager manager = NDManager.newBaseManager()) {
                        CommBuffer doubles = c.allocate(DType.F64, 2);
                        doubles.bytes().asDoubleBuffer().put(new double[] {1 + 1e-9, c.rank()});
                        FlatBucket wide = bucket(c, manager, doubles, DataType.FLOAT64);
                        reduce(c, manager, CommunicationHooks.float16(), wide);
                        assertThat(doubles.bytes().asDoubleBuffer().get(0)).isEqualTo(1);
                        assertThat(doubles.bytes().asDoubleBuffer().get(1)).isEqualTo(.5);

                        CommBuffer halves = c.allocate(DType.F16, 2);
                        // 1 + 2^-10, which bfloat16 does not have, and 0 or 1
                        halves.bytes()
                                .asShortBuffer()
                                .put(new short[] {0x3c01, (short) (0x3c00 * c.rank())});
                        FlatBucket narrow = bucket(c, manager, halves, DataType.FLOAT16);
                        reduce(c, manager, CommunicationHooks.bfloat16(), narrow);
                        assertThat(halves.bytes().asShortBuffer().get(0)).isEqualTo((short) 0x3c01);
                        assertThat(halves.bytes().asShortBuffer().get(1)).isEqualTo((short) 0x3800);
                        return null;
                    }
                });
    }

    private static FlatBucket bucket(
            Communicator c, NDManager manager, CommBuffer buffer, DataType type) {
        NDArray flat = ForeignMemory.array(manager, buffer.address(), type, buffer.count(), buffer);
        List<Slot> slots = List.of(new Slot("a", new Shape(2), 0, 2));
        return new FlatBucket(0, buffer, flat, slots, 2, 0, Collectives.of(c, buffer.device()));
    }
}
