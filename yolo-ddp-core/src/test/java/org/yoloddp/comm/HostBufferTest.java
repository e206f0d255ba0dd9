package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class HostBufferTest {

    @Test
    void memoryIsAlignedAndZeroed() {
        for (int round = 0; round < 20; round++) {
            try (HostBuffer buffer = HostBuffer.allocate(DType.F64, 1001)) {
                assertThat(buffer.address() % 64).isZero();
                ByteBuffer bytes = buffer.bytes();
                assertThat(bytes.capacity()).isEqualTo(8008);
                for (int i = 0; i < 1001; i++) {
                    assertThat(bytes.getLong(i * 8)).isZero();
                    bytes.putLong(i * 8, -1);
                }
            }
        }
    }

    @Test
    void slicesShareMemory() {
        try (HostBuffer buffer = HostBuffer.allocate(DType.I32, 10)) {
            buffer.slice(4, 3).bytes().putInt(4, 42);
            assertThat(buffer.bytes().getInt(20)).isEqualTo(42);
            assertThat(buffer.slice(4, 3).slice(1, 2).bytes().getInt(0)).isEqualTo(42);
            assertThat(buffer.slice(10, 0).bytes().capacity()).isZero();
            assertThatThrownBy(() -> buffer.slice(8, 3))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage("Elements 8 to 11 of 10");
        }
    }

    @Test
    void wrappedMemoryStaysTheOwners() {
        try (HostBuffer owner = HostBuffer.allocate(DType.F32, 4)) {
            HostBuffer wrapped = HostBuffer.wrap(owner.address(), DType.F32, 4, owner);
            wrapped.close();
            wrapped.bytes().putFloat(0, 2f);
            assertThat(owner.bytes().getFloat(0)).isEqualTo(2f);
            assertThat(wrapped.owner()).isSameAs(owner);
        }
    }

    @Test
    void closedMemoryIsNotGivenOut() {
        HostBuffer buffer = HostBuffer.allocate(DType.U8, 4);
        buffer.retain();
        buffer.close();
        buffer.close();
        buffer.release();
        assertThatThrownBy(buffer::bytes)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("The buffer is closed");
        assertThatThrownBy(buffer::address).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(buffer::retain).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void buffersOfMoreThanTwoGigabytesAreViewedBySlices() {
        long count = 700_000_000L;
        try (HostBuffer buffer = HostBuffer.allocate(DType.F32, count)) {
            assertThatThrownBy(buffer::bytes)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "The buffer has 2800000000 bytes, a view at most 2 GiB; view it by"
                                    + " slices");
            buffer.slice(count - 1, 1).bytes().putFloat(0, 3f);
            assertThat(buffer.window(count - 2, 2).getFloat(4)).isEqualTo(3f);
            buffer.copyTo(buffer, count - 1, 0, 1);
            assertThat(buffer.window(0, 1).getFloat(0)).isEqualTo(3f);
        }
    }
}
