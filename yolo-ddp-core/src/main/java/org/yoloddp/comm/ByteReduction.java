package org.yoloddp.comm;

import java.nio.ByteBuffer;

/** Reductions of U8. */
final class ByteReduction extends HostReduction {

    private final ReduceOp op;
    private final byte[] sum = new byte[CHUNK];
    private final byte[] next = new byte[CHUNK];
    private ByteBuffer[] in = {};
    private ByteBuffer[] out = {};

    ByteReduction(ReduceOp op) {
        this.op = op;
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = in;
        this.out = out;
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
        partial.get(at, sum, 0, n);
    }

    @Override
    void store(ByteBuffer partial, int at, int n) {
        partial.put(at, sum, 0, n);
    }

    @Override
    void result(int at, int n) {
        for (ByteBuffer buffer : out) {
            buffer.put(at, sum, 0, n);
        }
    }

    private static void add(byte[] a, byte[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = (byte) (a[i] + b[i]);
        }
    }

    private static void min(byte[] a, byte[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = (byte) Math.min(a[i] & 0xff, b[i] & 0xff);
        }
    }

    private static void max(byte[] a, byte[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = (byte) Math.max(a[i] & 0xff, b[i] & 0xff);
        }
    }

    private static void multiply(byte[] a, byte[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = (byte) (a[i] * b[i]);
        }
    }
}
