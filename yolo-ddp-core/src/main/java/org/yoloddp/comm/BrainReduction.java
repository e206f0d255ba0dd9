package org.yoloddp.comm;

/** Reductions of BF16, whose bits are the upper half of an F32's. */
final class BrainReduction extends PairReduction {

    private static final int EXPONENT = 0x7f800000;

    private final int[] bits = new int[CHUNK];

    BrainReduction(ReduceOp op, int ranks) {
        super(op, ranks);
    }

    @Override
    float widen(short element) {
        return HalfFloats.fromBfloat16(element);
    }

    @Override
    short narrow(float value) {
        return HalfFloats.toBfloat16(value);
    }

    @Override
    void widen(int[] pairs, float[] to) {
        split(pairs, bits);
        toFloats(bits, to);
    }

    @Override
    void narrow(float[] from, int[] pairs) {
        toBits(from, bits);
        round(bits);
        join(bits, pairs);
    }

    private static void split(int[] pairs, int[] bits) {
        for (int i = 0; i < PAIRS; i++) {
            bits[i] = pairs[i] << 16;
        }
        for (int i = 0; i < PAIRS; i++) {
            bits[PAIRS + i] = pairs[i] & 0xffff0000;
        }
    }

    private static void join(int[] bits, int[] pairs) {
        for (int i = 0; i < PAIRS; i++) {
            pairs[i] = (bits[i] >>> 16) | (bits[PAIRS + i] & 0xffff0000);
        }
    }

    /** As {@link HalfFloats#toBfloat16}, leaving the result in the upper half. */
    private static void round(int[] bits) {
        for (int i = 0; i < CHUNK; i++) {
            int x = bits[i];
            int nan = (EXPONENT - (x & 0x7fffffff)) >> 31;
            int rounded = x + 0x7fff + ((x >>> 16) & 1);
            bits[i] = (rounded & ~nan) | ((x | 0x400000) & nan);
        }
    }
}
