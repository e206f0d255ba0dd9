package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.util.Arrays;

/** Reductions of F16: accumulated in F32, rounded once. */
final class HalfReduction extends HostReduction {

    private final ReduceOp op;
    private final float scale;
    private final float[] sum = new float[CHUNK];
    private final float[] next = new float[CHUNK];
    private final short[] halves = new short[CHUNK];
    private ShortBuffer[] in = {};
    private ShortBuffer[] out = {};

    HalfReduction(ReduceOp op, int ranks) {
        this.op = op;
        this.scale = 1f / ranks;
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = Arrays.stream(in).map(ByteBuffer::asShortBuffer).toArray(ShortBuffer[]::new);
        this.out = Arrays.stream(out).map(ByteBuffer::asShortBuffer).toArray(ShortBuffer[]::new);
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
        for (int i = 0; i < n; i++) {
            halves[i] = HalfFloats.toFloat16(sum[i]);
        }
        for (ShortBuffer buffer : out) {
            buffer.put(at, halves, 0, n);
        }
    }

    private void load(int rank, int at, float[] to, int n) {
        in[rank].get(at, halves, 0, n);
        for (int i = 0; i < n; i++) {
            to[i] = HalfFloats.fromFloat16(halves[i]);
        }
    }
}
