package org.yoloddp.torch;

/** IEEE 754 binary16, which Java 17 has no type for. */
public final class HalfFloats {

    private HalfFloats() {}

    /**
     * Widens to single precision, exactly.
     *
     * @param half the bits of a binary16
     * @return its value
     */
    public static float toFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = (half >> 10) & 0x1f;
        int fraction = half & 0x3ff;
        if (exponent == 0x1f) {
            return Float.intBitsToFloat(sign | 0x7f800000 | fraction << 13);
        }
        if (exponent == 0) {
            // subnormal: a multiple of 2^-24, exact in float
            float value = fraction * 0x1p-24f;
            return sign == 0 ? value : -value;
        }
        return Float.intBitsToFloat(sign | (exponent + 112) << 23 | fraction << 13);
    }
}
