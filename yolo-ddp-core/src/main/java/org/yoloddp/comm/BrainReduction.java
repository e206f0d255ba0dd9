package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Arrays;

/**
 * Reductions of BF16: accumulated in F32, rounded once.
 *
 * <p>Java 17 vectorises neither the widening of shorts nor the way between an int's and a float's
 * bits. So elements are read in pairs, as ints; a pair's halves go to the two halves of an array of
 * ints, and those become floats by a copy through memory. All loops are over ints or over floats,
 * and vectorised: four times as fast as element by element.
 */
final class BrainReduction extends HostReduction {

    private static final int PAIRS = CHUNK / 2;
    private static final int EXPONENT = 0x7f800000;

    private final ReduceOp op;
    private final float scale;
    private final float[] sum = new float[CHUNK];
    private final float[] next = new float[CHUNK];
    private final int[] pairs = new int[PAIRS];
    private final int[] bits = new int[CHUNK];
    private final IntBuffer asInts;
    private final FloatBuffer asFloats;
    private ByteBuffer[] in = {};
    private ByteBuffer[] out = {};
    private IntBuffer[] inPairs = {};
    private IntBuffer[] outPairs = {};

    BrainReduction(ReduceOp op, int ranks) {
        this.op = op;
        this.scale = 1f / ranks;
        ByteBuffer memory = ByteBuffer.allocate(4 * CHUNK).order(ByteOrder.nativeOrder());
        this.asInts = memory.asIntBuffer();
        this.asFloats = memory.asFloatBuffer();
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = in;
        this.out = out;
        this.inPairs = Arrays.stream(in).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
        this.outPairs = Arrays.stream(out).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
    }

    @Override
    void first(int at, int n) {
        load(0, at, sum, n);
        if (op == ReduceOp.AVG) {
            FloatReduction.scale(sum, scale, n);
        }
    }

    @Override
    void next(int rank, int at, int n) {
        load(rank, at, next, n);
        switch (op) {
            case SUM -> FloatReduction.add(sum, next, n);
            case AVG -> FloatReduction.addScaled(sum, next, scale, n);
            case MIN -> FloatReduction.min(sum, next, n);
            case MAX -> FloatReduction.max(sum, next, n);
            case PRODUCT -> FloatReduction.multiply(sum, next, n);
        }
    }

    @Override
    void load(ByteBuffer partial, int at, int n) {
        partial.slice(at * Float.BYTES, n * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .get(0, sum, 0, n);
    }

    @Override
    void store(ByteBuffer partial, int at, int n) {
        partial.slice(at * Float.BYTES, n * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .put(0, sum, 0, n);
    }

    @Override
    void result(int at, int n) {
        if (n < CHUNK) {
            for (ByteBuffer buffer : out) {
                for (int i = 0; i < n; i++) {
                    buffer.putShort(2 * (at + i), HalfFloats.toBfloat16(sum[i]));
                }
            }
            return;
        }
        asFloats.put(0, sum, 0, CHUNK);
        asInts.get(0, bits, 0, CHUNK);
        round(bits);
        join(bits, pairs);
        for (IntBuffer buffer : outPairs) {
            buffer.put(at / 2, pairs, 0, PAIRS);
        }
    }

    private void load(int rank, int at, float[] to, int n) {
        if (n < CHUNK) {
            for (int i = 0; i < n; i++) {
                to[i] = HalfFloats.fromBfloat16(in[rank].getShort(2 * (at + i)));
            }
            return;
        }
        inPairs[rank].get(at / 2, pairs, 0, PAIRS);
        split(pairs, bits);
        asInts.put(0, bits, 0, CHUNK);
        asFloats.get(0, to, 0, CHUNK);
    }

    /** Which half of a pair comes first does not matter, as long as {@link #join} agrees. */
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
