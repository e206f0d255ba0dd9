package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Results that are handed on from some ranks to the next. */
class PartialReductionTest {

    private static final int RANKS = 4;

    @ParameterizedTest
    @EnumSource(DType.class)
    void ranksInThreePartsHaveTheBitsOfAllAtOnce(DType dtype) {
        for (ReduceOp op : NaiveReduction.operations(dtype)) {
            for (int count : new int[] {1, 255, 256, 257, 1000}) {
                byte[][] parts = contributions(dtype, count);
                HostReduction reduction = HostReduction.of(dtype, op, RANKS);
                ByteBuffer first = memory(count * HostReduction.partialBytes(dtype));
                ByteBuffer second = memory(count * HostReduction.partialBytes(dtype));
                ByteBuffer out = memory(count * dtype.bytes());
                ByteBuffer[] none = {};
                reduction.reduce(null, in(parts, 0, 1), first, none, count);
                reduction.reduce(first, in(parts, 1, 3), second, none, count);
                reduction.reduce(second, in(parts, 3, 4), null, new ByteBuffer[] {out}, count);
                assertThat(NaiveReduction.canonical(dtype, bytes(out)))
                        .as("%s of %d x %s", op, count, dtype)
                        .isEqualTo(
                                NaiveReduction.canonical(
                                        dtype, NaiveReduction.reduce(dtype, op, parts)));
            }
        }
    }

    @Test
    void roundingOnTheWayWouldGiveOtherBits() {
        int count = 1000;
        byte[][] parts = contributions(DType.F16, count);
        HostReduction pairs = HostReduction.of(DType.F16, ReduceOp.SUM, 2);
        ByteBuffer rounded = memory(count * 2);
        pairs.reduce(in(parts, 0, 2), new ByteBuffer[] {rounded}, count);
        ByteBuffer[] then = {rounded, in(parts, 2, 3)[0]};
        pairs.reduce(then, new ByteBuffer[] {rounded}, count);
        byte[] atOnce = NaiveReduction.reduce(DType.F16, ReduceOp.SUM, Arrays.copyOf(parts, 3));
        byte[] onTheWay = bytes(rounded);
        int different = 0;
        for (int i = 0; i < onTheWay.length; i++) {
            different += onTheWay[i] == atOnce[i] ? 0 : 1;
        }
        assertThat(different).isGreaterThan(50);
    }

    private static byte[][] contributions(DType dtype, int count) {
        byte[][] parts = new byte[RANKS][];
        Arrays.setAll(parts, rank -> NaiveReduction.contribution(dtype, count, rank + 3L));
        return parts;
    }

    private static ByteBuffer[] in(byte[][] parts, int from, int to) {
        return Arrays.stream(parts, from, to)
                .map(part -> memory(part.length).put(0, part))
                .toArray(ByteBuffer[]::new);
    }

    private static ByteBuffer memory(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    private static byte[] bytes(ByteBuffer memory) {
        byte[] bytes = new byte[memory.capacity()];
        memory.get(0, bytes);
        return bytes;
    }
}
