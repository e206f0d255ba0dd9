package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.comm.DType;
import org.yoloddp.error.ConfigurationException;

/** Numbers as NCCL writes them. */
class NcclTypesTest {

    @ParameterizedTest
    @CsvSource({
        "1, 3c00, 3f80",
        "0.5, 3800, 3f00",
        "-2, c000, c000",
        "0.3333333333333333, 3555, 3eab",
        "65504, 7bff, 4780",
        "65520, 7c00, 4780",
        "6.103515625e-05, 0400, 3880",
        "5.960464477539063e-08, 0001, 3380",
        "0, 0000, 0000"
    })
    void factorsInHalfPrecision(double factor, String f16, String bf16) {
        assertThat(bits(factor, DType.F16)).isEqualTo(Integer.parseInt(f16, 16));
        assertThat(bits(factor, DType.BF16)).isEqualTo(Integer.parseInt(bf16, 16));
    }

    private static int bits(double factor, DType dtype) {
        ByteBuffer bytes = ByteBuffer.wrap(NcclTypes.scalar(factor, dtype));
        return bytes.order(ByteOrder.nativeOrder()).getShort() & 0xffff;
    }

    @Test
    void factorsAreFiniteAndFloating() {
        assertThatThrownBy(() -> NcclTypes.scalar(Double.NaN, DType.F32))
                .hasMessage("a factor must be finite, not NaN");
        assertThatThrownBy(() -> NcclTypes.scalar(1, DType.I32))
                .hasMessage("no factors of type I32");
    }

    @ParameterizedTest
    @CsvSource({"2708, 2.7.8", "21403, 2.14.3", "22602, 2.26.2", "22703, 2.27.3"})
    void versions(int code, String text) {
        assertThat(NcclVersion.text(code)).isEqualTo(text);
    }

    @Test
    void versionsOfCuda() {
        assertThat(NcclVersion.cudaText(12060)).isEqualTo("12.6");
        assertThat(NcclVersion.cudaMajor(13010)).isEqualTo(13);
    }

    @Test
    void numbersOfCtasFitTogether() {
        NcclOptions options = NcclOptions.defaults().withCtas(2, 4);
        assertThat(options.minCtas()).isEqualTo(2);
        assertThat(options.maxCtas()).isEqualTo(4);
        assertThatThrownBy(() -> NcclOptions.defaults().withCtas(4, 2))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "A collective cannot take 4 to 2 CTAs. Give 1 to 64, the fewest first, or 0"
                                + " for NCCL's choice.");
    }
}
