package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The vectorised conversions of 16-bit types against those of single elements. */
class PairReductionTest {

    private static final int CHUNK = HostReduction.CHUNK;

    private static PairReduction reduction(DType dtype) {
        return (PairReduction) HostReduction.of(dtype, ReduceOp.SUM, 1);
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void everyElementIsWidenedAsOneByOneAndSurvivesTheWayBack(DType dtype) {
        PairReduction reduction = reduction(dtype);
        int[] pairs = new int[PairReduction.PAIRS];
        int[] back = new int[PairReduction.PAIRS];
        float[] floats = new float[CHUNK];
        for (int from = 0; from < 1 << 16; from += CHUNK) {
            for (int i = 0; i < pairs.length; i++) {
                pairs[i] = (from + i) | (from + pairs.length + i) << 16;
            }
            reduction.widen(pairs, floats);
            reduction.narrow(floats, back);
            for (int i = 0; i < CHUNK; i++) {
                float expected = reduction.widen((short) (from + i));
                // Compares NaN as equal, and tells -0 from 0.
                assertThat(floats[i]).as("%x", from + i).isEqualTo((Float) expected);
                if (!Float.isNaN(expected)) {
                    assertThat(half(back, i)).as("%x", from + i).isEqualTo(from + i);
                } else {
                    assertThat(reduction.widen((short) half(back, i))).isNaN();
                }
            }
        }
    }

    /** Between any two neighbours of the type, and anywhere. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void everyFloatIsNarrowedAsOneByOne(DType dtype) {
        PairReduction reduction = reduction(dtype);
        SplittableRandom random = new SplittableRandom(11);
        float[] floats = new float[CHUNK];
        int[] pairs = new int[PairReduction.PAIRS];
        int[] steps = {0, 1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001};
        long different = 0;
        for (int from = 0; from < 1 << 16; from += CHUNK) {
            for (int step = 0; step < steps.length + 8; step++) {
                for (int i = 0; i < CHUNK; i++) {
                    int bits =
                            step < steps.length
                                    ? Float.floatToRawIntBits(reduction.widen((short) (from + i)))
                                            + steps[step]
                                    : random.nextInt();
                    floats[i] = Float.intBitsToFloat(bits);
                }
                reduction.narrow(floats, pairs);
                for (int i = 0; i < CHUNK; i++) {
                    int expected = reduction.narrow(floats[i]) & 0xffff;
                    if (half(pairs, i) != expected) {
                        assertThat(half(pairs, i))
                                .as("%x", Float.floatToRawIntBits(floats[i]))
                                .isEqualTo(expected);
                    }
                    different += expected == (from + i) ? 0 : 1;
                }
            }
        }
        assertThat(different).as("that were really rounded").isGreaterThan(500_000);
    }

    private static int half(int[] pairs, int i) {
        return i < PairReduction.PAIRS ? pairs[i] & 0xffff : pairs[i - PairReduction.PAIRS] >>> 16;
    }

    /** Sums of three ranks in pairs, and element by element, by turns. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    @Tag("slow")
    void vectorsAreSeveralTimesAsFastAsElements(DType dtype) {
        int count = 1 << 20;
        ByteBuffer[] in = new ByteBuffer[3];
        Arrays.setAll(in, rank -> memory(2 * count));
        SplittableRandom random = new SplittableRandom(5);
        PairReduction one = reduction(dtype);
        for (ByteBuffer memory : in) {
            for (int i = 0; i < count; i++) {
                float value = (float) (random.nextDouble() * 2 - 1);
                memory.putShort(2 * i, one.narrow(value * value * value * 1e-3f));
            }
        }
        ByteBuffer fast = memory(2 * count);
        ByteBuffer slow = memory(2 * count);
        HostReduction reduction = HostReduction.of(dtype, ReduceOp.SUM, in.length);
        double[] ratios = new double[9];
        for (int turn = -5; turn < ratios.length; turn++) {
            long elements = nanos(() -> elements(one, in, slow, count));
            long vectors =
                    nanos(
                            () -> {
                                reduction.reduce(in, new ByteBuffer[] {fast}, count);
                                return fast;
                            });
            if (turn >= 0) {
                ratios[turn] = (double) elements / vectors;
            }
        }
        assertThat(fast).isEqualTo(slow);
        Arrays.sort(ratios);
        assertThat(ratios[ratios.length / 2]).as(Arrays.toString(ratios)).isGreaterThan(2);
    }

    private static ByteBuffer elements(PairReduction one, ByteBuffer[] in, ByteBuffer out, int n) {
        for (int i = 0; i < n; i++) {
            float sum = one.widen(in[0].getShort(2 * i));
            for (int rank = 1; rank < in.length; rank++) {
                sum += one.widen(in[rank].getShort(2 * i));
            }
            out.putShort(2 * i, one.narrow(sum));
        }
        return out;
    }

    private static long nanos(Supplier<ByteBuffer> work) {
        long start = System.nanoTime();
        assertThat(work.get()).isNotNull();
        return System.nanoTime() - start;
    }

    private static ByteBuffer memory(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }
}
