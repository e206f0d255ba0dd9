package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HostReductionTest {

    private static final int RANKS = 3;
    private static final int COUNT = 3001;

    private static byte[][] contributions(DType dtype) {
        byte[][] contributions = new byte[RANKS][];
        Arrays.setAll(contributions, r -> NaiveReduction.contribution(dtype, COUNT, 40 + r));
        return contributions;
    }

    private static ByteBuffer view(byte[] bytes, int from) {
        return ByteBuffer.wrap(bytes, from, bytes.length - from)
                .slice()
                .order(ByteOrder.nativeOrder());
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void anyCutGivesTheBitsOfTheDefinition(DType dtype) {
        byte[][] contributions = contributions(dtype);
        byte[] expected = NaiveReduction.reduce(dtype, ReduceOp.SUM, contributions);
        for (int piece : new int[] {COUNT, 1, 255, 257, 1000}) {
            byte[] result = new byte[COUNT * dtype.bytes()];
            for (int at = 0; at < COUNT; at += piece) {
                int from = at * dtype.bytes();
                ByteBuffer[] in = new ByteBuffer[RANKS];
                Arrays.setAll(in, r -> view(contributions[r], from));
                HostReduction.of(dtype, ReduceOp.SUM, RANKS)
                        .reduce(
                                in,
                                new ByteBuffer[] {view(result, from)},
                                Math.min(piece, COUNT - at));
            }
            assertThat(NaiveReduction.canonical(dtype, result))
                    .isEqualTo(NaiveReduction.canonical(dtype, expected));
        }
    }

    @Test
    void anotherOrderOrAnotherScalingHasOtherBits() {
        byte[][] contributions = contributions(DType.F32);
        byte[] sum = NaiveReduction.reduce(DType.F32, ReduceOp.SUM, contributions);
        byte[] mean = NaiveReduction.reduce(DType.F32, ReduceOp.AVG, contributions);
        byte[][] turned = {contributions[2], contributions[1], contributions[0]};
        assertThat(different(sum, NaiveReduction.reduce(DType.F32, ReduceOp.SUM, turned)))
                .isGreaterThan(COUNT / 20);
        byte[] divided = sum.clone();
        for (int i = 0; i < COUNT; i++) {
            view(divided, 0).putFloat(4 * i, view(divided, 0).getFloat(4 * i) / RANKS);
        }
        assertThat(different(mean, divided)).isGreaterThan(COUNT / 20);
    }

    private static int different(byte[] a, byte[] b) {
        int different = 0;
        for (int i = 0; i < COUNT; i++) {
            float x = view(a, 0).getFloat(4 * i);
            float y = view(b, 0).getFloat(4 * i);
            different += Float.compare(x, y) == 0 ? 0 : 1;
        }
        return different;
    }

    @Test
    void averageOfIntegersIsNotDefined() {
        assertThat(HostReduction.supports(DType.U8, ReduceOp.AVG)).isFalse();
        assertThatThrownBy(() -> HostReduction.of(DType.I32, ReduceOp.AVG, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("AVG of I32 is not defined");
    }
}
