package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.Arrays;

/** Reductions of I64. */
final class LongReduction extends HostReduction {

    private final ReduceOp op;
    private final long[] sum = new long[CHUNK];
    private final long[] next = new long[CHUNK];
    private LongBuffer[] in = {};
    private LongBuffer[] out = {};

    LongReduction(ReduceOp op) {
        this.op = op;
    }

    @Override
    void open(ByteBuffer[] in, ByteBuffer[] out) {
        this.in = Arrays.stream(in).map(ByteBuffer::asLongBuffer).toArray(LongBuffer[]::new);
        this.out = Arrays.stream(out).map(ByteBuffer::asLongBuffer).toArray(LongBuffer[]::new);
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
        partial.slice(at * Long.BYTES, n * Long.BYTES)
                .order(ByteOrder.nativeOrder())
                .asLongBuffer()
                .get(0, sum, 0, n);
    }

    @Override
    void store(ByteBuffer partial, int at, int n) {
        partial.slice(at * Long.BYTES, n * Long.BYTES)
                .order(ByteOrder.nativeOrder())
                .asLongBuffer()
                .put(0, sum, 0, n);
    }

    @Override
    void result(int at, int n) {
        for (LongBuffer buffer : out) {
            buffer.put(at, sum, 0, n);
        }
    }

    private static void add(long[] a, long[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] += b[i];
        }
    }

    private static void min(long[] a, long[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.min(a[i], b[i]);
        }
    }

    private static void max(long[] a, long[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] = Math.max(a[i], b[i]);
        }
    }

    private static void multiply(long[] a, long[] b, int n) {
        for (int i = 0; i < n; i++) {
            a[i] *= b[i];
        }
    }
}
