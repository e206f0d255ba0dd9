package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Arrays;

/**
 * Reductions of 16-bit types: accumulated in F32, rounded once.
 *
 * <p>Java 17 vectorises neither the widening of shorts nor the way between an int's and a float's
 * bits. So elements are read in pairs, as ints; a pair's halves go to the two halves of an array of
 * ints, and those become floats by a copy through memory. All loops are over ints or over floats,
 * and vectorised: several times as fast as element by element.
 */
abstract class PairReduction extends HostReduction {

    /** The number of ints that hold {@link #CHUNK} elements. */
    static final int PAIRS = CHUNK / 2;

    private final ReduceOp op;
    private final float scale;
    private final float[] sum = new float[CHUNK];
    private final float[] next = new float[CHUNK];
    private final int[] pairs = new int[PAIRS];
    private final IntBuffer asInts;
    private final FloatBuffer asFloats;
    private ByteBuffer[] in = {};
    private ByteBuffer[] out = {};
    private IntBuffer[] inPairs = {};
    private IntBuffer[] outPairs = {};

    PairReduction(ReduceOp op, int ranks) {
        this.op = op;
        this.scale = (float) op.scale(ranks);
        ByteBuffer memory = ByteBuffer.allocate(4 * CHUNK).order(ByteOrder.nativeOrder());
        this.asInts = memory.asIntBuffer();
        this.asFloats = memory.asFloatBuffer();
    }

    /** Converts one element. */
    abstract float widen(short element);

    /** Converts one element, rounding to nearest even. */
    abstract short narrow(float value);

    /**
     * Converts {@link #CHUNK} elements: those of the lower halves of the pairs go to the first half
     * of the floats.
     */
    abstract void widen(int[] pairs, float[] to);

    /** Converts {@link #CHUNK} elements, in the order of {@link #widen(int[], float[])}. */
    abstract void narrow(float[] from, int[] pairs);

    /** Copies the bits of floats. */
    final void toBits(float[] from, int[] bits) {
        asFloats.put(0, from, 0, CHUNK);
        asInts.get(0, bits, 0, CHUNK);
    }

    /** Copies bits into floats. */
    final void toFloats(int[] bits, float[] to) {
        asInts.put(0, bits, 0, CHUNK);
        asFloats.get(0, to, 0, CHUNK);
    }

    @Override
    final void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = in;
        this.out = out;
        this.inPairs = Arrays.stream(in).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
        this.outPairs = Arrays.stream(out).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
    }

    @Override
    final void first(int at, int n) {
        load(0, at, sum, n);
        if (op.isScaled()) {
            FloatReduction.scale(sum, scale, n);
        }
    }

    @Override
    final void next(int rank, int at, int n) {
        load(rank, at, next, n);
        switch (op.kind()) {
            case SUM -> FloatReduction.add(sum, next, n);
            case AVG, PREMULTIPLIED_SUM -> FloatReduction.addScaled(sum, next, scale, n);
            case MIN -> FloatReduction.min(sum, next, n);
            case MAX -> FloatReduction.max(sum, next, n);
            case PRODUCT -> FloatReduction.multiply(sum, next, n);
        }
    }

    @Override
    final void load(ByteBuffer partial, int at, int n) {
        partial.slice(at * Float.BYTES, n * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .get(0, sum, 0, n);
    }

    @Override
    final void store(ByteBuffer partial, int at, int n) {
        partial.slice(at * Float.BYTES, n * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .put(0, sum, 0, n);
    }

    @Override
    final void result(int at, int n) {
        if (n < CHUNK) {
            for (ByteBuffer buffer : out) {
                for (int i = 0; i < n; i++) {
                    buffer.putShort(2 * (at + i), narrow(sum[i]));
                }
            }
            return;
        }
        narrow(sum, pairs);
        for (IntBuffer buffer : outPairs) {
            buffer.put(at / 2, pairs, 0, PAIRS);
        }
    }

    private void load(int rank, int at, float[] to, int n) {
        if (n < CHUNK) {
            for (int i = 0; i < n; i++) {
                to[i] = widen(in[rank].getShort(2 * (at + i)));
            }
            return;
        }
        inPairs[rank].get(at / 2, pairs, 0, PAIRS);
        widen(pairs, to);
    }
}
