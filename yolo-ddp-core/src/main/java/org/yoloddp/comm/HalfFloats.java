package org.yoloddp.comm;

/**
 * Conversions between F32 and the 16-bit types, rounding to nearest even as hardware does; Java 17
 * has none. Without branches that depend on the data, which gradients make unpredictable.
 */
final class HalfFloats {

    private static final int EXPONENT = 0x7f800000;

    /** 2 to the 112: what an F16's bits, shifted into an F32, are too small by. */
    private static final float REBIAS = 0x1p112f;

    private HalfFloats() {}

    static float fromBfloat16(short half) {
        return Float.intBitsToFloat(half << 16);
    }

    static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        // All ones for NaN, which rounding up could turn into an infinity: it is made quiet
        // instead.
        int nan = (EXPONENT - (bits & 0x7fffffff)) >> 31;
        int rounded = bits + 0x7fff + ((bits >>> 16) & 1);
        return (short) (((rounded & ~nan) | ((bits | 0x400000) & nan)) >>> 16);
    }

    static float fromFloat16(short half) {
        int magnitude = (half & 0x7fff) << 13;
        int bits = Float.floatToRawIntBits(Float.intBitsToFloat(magnitude) * REBIAS);
        // All ones for infinities and NaN, whose exponent stays the largest.
        int special = (0x0f7fffff - magnitude) >> 31;
        return Float.intBitsToFloat(bits | (special & EXPONENT) | ((half & 0x8000) << 16));
    }

    static short toFloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        int magnitude = bits & 0x7fffffff;
        if (magnitude > EXPONENT) {
            return (short) (sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff));
        }
        if (magnitude >= 0x477ff000) {
            return (short) (sign | 0x7c00);
        }
        if (magnitude < 0x38800000) {
            // Subnormal: adding one half makes the hardware round at the right bit.
            float rounded = Float.intBitsToFloat(magnitude) + 0.5f;
            return (short) (sign | (Float.floatToRawIntBits(rounded) - 0x3f000000));
        }
        int rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
        return (short) (sign | ((rounded - 0x38000000) >>> 13));
    }
}
