package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.Arrays;

/** Reductions of I32. */
final class IntReduction extends HostReduction {

    private final ReduceOp op;
    private final int[] sum = new int[CHUNK];
    private final int[] next = new int[CHUNK];
    private IntBuffer[] in = {};
    private IntBuffer[] out = {};

    IntReduction(ReduceOp op) {
        this.op = op;
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = Arrays.stream(in).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
        this.out = Arrays.stream(out).map(ByteBuffer::asIntBuffer).toArray(IntBuffer[]::new);
    }

    @Override
    void first(int at, int n) {
        in[0].get(at, sum, 0, n);
    }

    @Override
    void next(int rank, int at, int n) {
        in[rank].get(at, next, 0, n);
        switch (op.kind()) {
            case SUM -> add(sum, next, n);
            case MIN -> min(sum, next, n);
            case MAX -> max(sum, next, n);
            case PRODUCT -> multiply(sum, next, n);
            case AVG, PREMULTIPLIED_SUM -> throw new IllegalStateException(op + " of integers");
        }
    }

    @Override
    void load(ByteBuffer partial, int at, int n) {
        partial.slice(at * Integer.BYTES, n * Integer.BYTES)
                .order(ByteOrder.nativeOrder())
                .asIntBuffer()
                .get(0, sum, 0, n);
    }

    @Override
    void store(ByteBuffer partial, int at, int n) {
        partial.slice(at * Integer.BYTES, n * Integer.BYTES)
                .order(ByteOrder.nativeOrder())
                .asIntBuffer()
                .put(0, sum, 0, n);
    }

    @Override
    void result(int at, int n) {
        for (IntBuffer buffer : out) {
            buffer.put(at, sum, 0, n);
        }
    }

    private static void add(int[] a, int[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i];
        }
    }

    private static void min(int[] a, int[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.min(a[i], b[i]);
        }
    }

    private static void max(int[] a, int[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.max(a[i], b[i]);
        }
    }

    private static void multiply(int[] a, int[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= b[i];
        }
    }
}
