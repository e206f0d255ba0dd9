package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;

class FiniteGradientsTest {

    private static final int LARGE = 100_000;

    /** Gradients in memory, without arrays. */
    private record Gradients(CommBuffer buffer, List<Slot> slots) implements GradientBucket {

        @Override
        public int index() {
            return 0;
        }

        @Override
        public NDArray flat() {
            throw new UnsupportedOperationException();
        }

        @Override
        public long tailOffset() {
            return buffer.count();
        }

        @Override
        public long tailCount() {
            return 0;
        }
    }

    private static GradientBucket.Slot slot(String name, long offset, long count) {
        return new GradientBucket.Slot(name, new Shape(count), offset, count);
    }

    private static void put(CommBuffer buffer, int element, double value) {
        ByteBuffer bytes = buffer.bytes().order(ByteOrder.nativeOrder());
        int sign = value < 0 ? 0x8000 : 0;
        boolean nan = Double.isNaN(value);
        switch (buffer.dtype()) {
            case F32 -> bytes.putFloat(4 * element, (float) value);
            case F64 -> bytes.putDouble(8 * element, value);
            case F16 -> bytes.putShort(2 * element, (short) (sign | (nan ? 0x7e00 : 0x7c00)));
            case BF16 -> bytes.putShort(2 * element, (short) (sign | (nan ? 0x7fc0 : 0x7f80)));
            default -> throw new IllegalArgumentException();
        }
    }

    /** The largest finite number of a type is fine. */
    private static void fillWithLargest(CommBuffer buffer) {
        ByteBuffer bytes = buffer.bytes().order(ByteOrder.nativeOrder());
        for (int i = 0; i < buffer.count(); i++) {
            switch (buffer.dtype()) {
                case F32 -> bytes.putFloat(4 * i, -Float.MAX_VALUE);
                case F64 -> bytes.putDouble(8 * i, Double.MAX_VALUE);
                case F16 -> bytes.putShort(2 * i, (short) 0xfbff);
                case BF16 -> bytes.putShort(2 * i, (short) 0x7f7f);
                default -> throw new IllegalArgumentException();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F64", "F16", "BF16"})
    void findsWhatIsNotFiniteInSmallParameters(DType dtype) {
        FiniteGradients finite = new FiniteGradients(3);
        finite.atStep(7);
        for (double bad :
                new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            try (CommBuffer buffer = HostBuffer.allocate(dtype, LARGE + 8)) {
                fillWithLargest(buffer);
                Gradients bucket =
                        new Gradients(buffer, List.of(slot("w", 0, LARGE), slot("b", LARGE, 8)));
                finite.require(true);
                assertThatCode(() -> finite.check(bucket)).doesNotThrowAnyException();
                put(buffer, LARGE + 7, bad);
                assertThatThrownBy(() -> finite.check(bucket))
                        .isInstanceOfSatisfying(
                                NonFiniteGradientException.class,
                                e -> {
                                    assertThat(e.rank()).isEqualTo(3);
                                    assertThat(e.step()).isEqualTo(7);
                                    assertThat(e.parameter()).isEqualTo("b");
                                })
                        .hasMessageContaining("has an element that is " + bad + " on rank 3");
                finite.require(false);
                assertThatCode(() -> finite.check(bucket)).doesNotThrowAnyException();
            }
        }
    }

    /** In a bucket without small ones some elements of the smallest are read. */
    @Test
    void findsWhatHasSpreadOverALargeParameter() {
        FiniteGradients finite = new FiniteGradients(0);
        finite.require(true);
        try (CommBuffer buffer = HostBuffer.allocate(DType.F32, 2 * LARGE)) {
            Gradients bucket =
                    new Gradients(
                            buffer,
                            List.of(slot("larger", 0, LARGE + 1), slot("w", LARGE, LARGE - 1)));
            assertThatCode(() -> finite.check(bucket)).doesNotThrowAnyException();
            // A row of its input's size.
            for (int i = 0; i < 100; i++) {
                put(buffer, LARGE + 5000 + i, Double.NaN);
            }
            assertThatThrownBy(() -> finite.check(bucket)).hasMessageContaining("'w'");
        }
    }
}
