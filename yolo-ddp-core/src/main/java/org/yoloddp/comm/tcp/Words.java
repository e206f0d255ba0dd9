package org.yoloddp.comm.tcp;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers in memory that several processes map, with the order of memory that they need. */
final class Words {

    /** What a core fetches at a time; words that different ranks write are that far apart. */
    static final int LINE = 64;

    private static final VarHandle LONGS =
            MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private final ByteBuffer memory;

    Words(ByteBuffer memory) {
        this.memory = memory.duplicate().order(ByteOrder.nativeOrder());
    }

    /** Views a part. */
    Words part(int at, int bytes) {
        return new Words(memory.slice(at, bytes));
    }

    long get(int at) {
        return (long) LONGS.getAcquire(memory, at);
    }

    /** Reads after everything that this thread has written before. */
    long getVolatile(int at) {
        return (long) LONGS.getVolatile(memory, at);
    }

    void set(int at, long value) {
        LONGS.setRelease(memory, at, value);
    }

    /** Writes before everything that this thread reads after. */
    void setVolatile(int at, long value) {
        LONGS.setVolatile(memory, at, value);
    }

    boolean compareAndSet(int at, long expected, long value) {
        return LONGS.compareAndSet(memory, at, expected, value);
    }

    /** Adds and returns the sum. */
    long add(int at, long delta) {
        return (long) LONGS.getAndAdd(memory, at, delta) + delta;
    }

    void put(int at, byte[] bytes) {
        memory.put(at, bytes);
    }

    byte[] bytes(int at, int length) {
        byte[] bytes = new byte[length];
        memory.get(at, bytes);
        return bytes;
    }

    boolean isEqual(int at, byte[] bytes) {
        for (int i = 0; i < bytes.length; i++) {
            if (memory.get(at + i) != bytes[i]) {
                return false;
            }
        }
        return true;
    }
}
