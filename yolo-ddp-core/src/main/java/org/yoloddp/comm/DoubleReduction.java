package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.Arrays;

/** Reductions of F64. */
final class DoubleReduction extends HostReduction {

    private final ReduceOp op;
    private final double scale;
    private final double[] sum = new double[CHUNK];
    private final double[] next = new double[CHUNK];
    private DoubleBuffer[] in = {};
    private DoubleBuffer[] out = {};

    DoubleReduction(ReduceOp op, int ranks) {
        this.op = op;
        this.scale = op.scale(ranks);
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = Arrays.stream(in).map(ByteBuffer::asDoubleBuffer).toArray(DoubleBuffer[]::new);
        this.out = Arrays.stream(out).map(ByteBuffer::asDoubleBuffer).toArray(DoubleBuffer[]::new);
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
        partial.slice(at * Double.BYTES, n * Double.BYTES)
                .order(ByteOrder.nativeOrder())
                .asDoubleBuffer()
                .get(0, sum, 0, n);
    }

    @Override
    void store(ByteBuffer partial, int at, int n) {
        partial.slice(at * Double.BYTES, n * Double.BYTES)
                .order(ByteOrder.nativeOrder())
                .asDoubleBuffer()
                .put(0, sum, 0, n);
    }

    @Override
    void result(int at, int n) {
        for (DoubleBuffer buffer : out) {
            buffer.put(at, sum, 0, n);
        }
    }

    private static void add(double[] a, double[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i];
        }
    }

    private static void addScaled(double[] a, double[] b, double scale, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i] * scale;
        }
    }

    private static void min(double[] a, double[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.min(a[i], b[i]);
        }
    }

    private static void max(double[] a, double[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.max(a[i], b[i]);
        }
    }

    private static void multiply(double[] a, double[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= b[i];
        }
    }

    private static void scale(double[] a, double scale, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= scale;
        }
    }
}
