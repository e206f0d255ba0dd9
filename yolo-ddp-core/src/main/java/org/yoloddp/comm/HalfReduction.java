package org.yoloddp.comm;

/**
 * Reductions of F16. Without branches and without tables, which both would keep loops from being
 * vectorised: the hardware's own arithmetic does what differs between ordinary numbers, subnormal
 * ones and infinities.
 *
 * <p>Widening: exponent and fraction, moved to where an F32 has them, are a number that is too
 * small by 2<sup>112</sup>, also if they are subnormal; the product is exact. The largest exponent
 * is made an F32's largest before, which no factor changes.
 *
 * <p>Narrowing: adding a power of two that is 2<sup>13</sup> times as large as the value (of
 * subnormal ones, as the smallest normal number) lets the hardware round to nearest even at the bit
 * that is an F16's last. Scaling the value up and down before by powers of two makes infinite what
 * is too large for an F16. (The way of M. Dukhan's FP16 library.)
 */
final class HalfReduction extends PairReduction {

    private static final float REBIAS = 0x1p112f;

    /** Leaves four times the value: the magic number counts in the same scale. */
    private static final float TO_ZERO = 0x1p-110f;

    private static final int EXPONENT = 0x7f800000;

    /** The exponent of the smallest normal F16, as an F32's. */
    private static final int SMALLEST = 0x38800000;

    /** 2 to the 15, added to an exponent: 13 bits that go, and the scale of four. */
    private static final int MAGIC = 15 << 23;

    private final int[] bits = new int[CHUNK];
    private final int[] moved = new int[CHUNK];
    private final float[] scaled = new float[CHUNK];
    private final float[] magic = new float[CHUNK];

    HalfReduction(ReduceOp op, int ranks) {
        super(op, ranks);
    }

    @Override
    float widen(short element) {
        return HalfFloats.fromFloat16(element);
    }

    @Override
    short narrow(float value) {
        return HalfFloats.toFloat16(value);
    }

    @Override
    void widen(int[] pairs, float[] to) {
        for (int i = 0; i < PAIRS; i++) {
            int half = pairs[i];
            int special = (0x7bff - (half & 0x7fff)) >> 31;
            bits[i] = ((half & 0x8000) << 16) | ((half & 0x7fff) << 13) | (special & EXPONENT);
        }
        for (int i = 0; i < PAIRS; i++) {
            int half = pairs[i] >>> 16;
            int special = (0x7bff - (half & 0x7fff)) >> 31;
            bits[PAIRS + i] =
                    ((half & 0x8000) << 16) | ((half & 0x7fff) << 13) | (special & EXPONENT);
        }
        toFloats(bits, to);
        FloatReduction.scale(to, REBIAS, CHUNK);
    }

    @Override
    void narrow(float[] from, int[] pairs) {
        toBits(from, bits);
        magic(bits, moved);
        toFloats(moved, magic);
        for (int i = 0; i < CHUNK; i++) {
            scaled[i] = Math.abs(from[i]) * REBIAS * TO_ZERO + magic[i];
        }
        toBits(scaled, moved);
        assemble(bits, moved);
        for (int i = 0; i < PAIRS; i++) {
            pairs[i] = moved[i] | (moved[PAIRS + i] << 16);
        }
    }

    private static void magic(int[] bits, int[] magic) {
        for (int i = 0; i < CHUNK; i++) {
            int above = (bits[i] & EXPONENT) - SMALLEST;
            magic[i] = SMALLEST + (above & ~(above >> 31)) + MAGIC;
        }
    }

    /** Takes exponent and fraction from the rounded numbers, and the sign from the original. */
    private static void assemble(int[] bits, int[] rounded) {
        for (int i = 0; i < CHUNK; i++) {
            int nan = (EXPONENT - (bits[i] & 0x7fffffff)) >> 31;
            int number = ((rounded[i] >>> 13) & 0x7c00) + (rounded[i] & 0xfff);
            int quiet = 0x7e00 | ((bits[i] >>> 13) & 0x3ff);
            rounded[i] = ((bits[i] >>> 16) & 0x8000) | (number & ~nan) | (quiet & nan);
        }
    }
}
