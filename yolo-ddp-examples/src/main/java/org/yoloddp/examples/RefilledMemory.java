package org.yoloddp.examples;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.nccl.RawNccl;

/**
 * Float32 on a rank's GPU, in slices that are reduced one after the other: refilled before each
 * time with whole numbers that depend on the rank, the element and the time, and verified after it,
 * element by element. Sums of up to 1900 ranks are exact.
 */
final class RefilledMemory implements AutoCloseable {

    private static final int PERIOD = 1009;
    private static final int SHIFTS = 97;
    private static final int MOST_TILE = PERIOD * 16_384;
    private static final int CHUNK = 1 << 20;
    private static final int FACTORS = 16;

    private final GpuRank rank;
    private final CommBuffer memory;
    private final CommBuffer pattern;
    private final HostBuffer chunk;
    private final List<CommBuffer> slices = new ArrayList<>();
    private final long count;
    private final int tile;
    private final float[] expected = new float[CHUNK + PERIOD];
    private final float[] found = new float[CHUNK];
    private int shift;

    /**
     * Allocates.
     *
     * @param each elements of a slice
     * @param number of slices
     */
    RefilledMemory(GpuRank rank, long each, int number) {
        this.rank = rank;
        count = each * number;
        tile = (int) Math.min(MOST_TILE, (count + PERIOD - 1) / PERIOD * PERIOD);
        memory = rank.ranks().allocate(DType.F32, count, rank.device());
        pattern = rank.ranks().allocate(DType.F32, tile + SHIFTS, rank.device());
        chunk = HostBuffer.allocate(DType.F32, CHUNK);
        for (int i = 0; i < number; i++) {
            slices.add(memory.slice(i * each, each));
        }
        int factors = 0;
        for (int other = 0; other < rank.size(); other++) {
            factors += factor(other);
        }
        fill(expected, expected.length, factors);
        upload();
    }

    /** The bytes that a rank needs for so many elements. */
    static long bytesFor(long elements) {
        return (elements + Math.min(MOST_TILE, elements) + PERIOD + SHIFTS) * Float.BYTES;
    }

    private static int factor(int rank) {
        return rank % FACTORS + 1;
    }

    private static void fill(float[] values, int length, int factor) {
        for (int i = 0; i < length; i++) {
            values[i] = (i % PERIOD + 1) * factor;
        }
    }

    private void upload() {
        float[] values = new float[CHUNK / PERIOD * PERIOD];
        fill(values, values.length, factor(rank.rank()));
        chunk.bytes().asFloatBuffer().put(0, values);
        for (int at = 0; at < tile + SHIFTS; at += values.length) {
            int n = Math.min(values.length, tile + SHIFTS - at);
            raw().copy(pattern.address() + 4L * at, chunk.address(), 4L * n);
        }
        raw().await("the copy of the pattern", GpuRank.DEADLINE);
    }

    private RawNccl raw() {
        return rank.raw();
    }

    List<CommBuffer> slices() {
        return slices;
    }

    /** Gives every element a value that it has not had lately, and waits until it is there. */
    void refill() {
        shift = (shift + 1) % SHIFTS;
        for (long at = 0; at < count; at += tile) {
            long n = Math.min(tile, count - at);
            raw().copy(memory.address() + 4 * at, pattern.address() + 4L * shift, 4 * n);
        }
        raw().await("the refill", GpuRank.DEADLINE);
    }

    /** Looks at every element: each has to be the sum over all ranks. */
    void verify(String who) {
        FloatBuffer floats = chunk.bytes().asFloatBuffer();
        for (long at = 0; at < count; at += CHUNK) {
            int n = (int) Math.min(CHUNK, count - at);
            raw().copy(chunk.address(), memory.address() + 4 * at, 4L * n);
            raw().await("the copy of the result", GpuRank.DEADLINE);
            floats.get(0, found, 0, n);
            int from = (int) ((at + shift) % PERIOD);
            int wrong = Arrays.mismatch(found, 0, n, expected, from, from + n);
            if (wrong >= 0) {
                throw GpuCheckException.wrongSum(
                        who, rank.rank(), at + wrong, found[wrong], expected[from + wrong]);
            }
        }
    }

    @Override
    public void close() {
        memory.close();
        pattern.close();
        chunk.close();
    }
}
