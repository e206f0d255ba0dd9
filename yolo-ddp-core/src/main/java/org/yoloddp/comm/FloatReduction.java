package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;

/** Reductions of F32. */
final class FloatReduction extends HostReduction {

    private final ReduceOp op;
    private final float scale;
    private final float[] sum = new float[CHUNK];
    private final float[] next = new float[CHUNK];
    private FloatBuffer[] in = {};
    private FloatBuffer[] out = {};

    FloatReduction(ReduceOp op, int ranks) {
        this.op = op;
        this.scale = (float) op.scale(ranks);
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = Arrays.stream(in).map(ByteBuffer::asFloatBuffer).toArray(FloatBuffer[]::new);
        this.out = Arrays.stream(out).map(ByteBuffer::asFloatBuffer).toArray(FloatBuffer[]::new);
    }

    @Override
    void first(int at, int n) {
        in[0].get(at, sum, 0, n);
        if (op.isScaled()) {
            scale(sum, scale, n);
        }
    }

    @Override
    void next(int rank, int at, int n) {
        in[rank].get(at, next, 0, n);
        switch (op.kind()) {
            case SUM -> add(sum, next, n);
            case AVG, PREMULTIPLIED_SUM -> addScaled(sum, next, scale, n);
            case MIN -> min(sum, next, n);
            case MAX -> max(sum, next, n);
            case PRODUCT -> multiply(sum, next, n);
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
        for (FloatBuffer buffer : out) {
            buffer.put(at, sum, 0, n);
        }
    }

    static void add(float[] a, float[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i];
        }
    }

    static void addScaled(float[] a, float[] b, float scale, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i] * scale;
        }
    }

    static void min(float[] a, float[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.min(a[i], b[i]);
        }
    }

    static void max(float[] a, float[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.max(a[i], b[i]);
        }
    }

    static void multiply(float[] a, float[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= b[i];
        }
    }

    static void scale(float[] a, float scale, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= scale;
        }
    }
}
