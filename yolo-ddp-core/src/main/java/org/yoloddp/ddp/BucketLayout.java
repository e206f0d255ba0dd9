package org.yoloddp.ddp;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.DType;

/**
 * Which gradient lies where: pure arithmetic, the same on every rank.
 *
 * <p>Gradients are taken in the order in which they are expected to become ready. One that would
 * overfill its bucket begins the next, so that no bucket is larger than the limit but for a single
 * larger gradient. A bucket holds one type. Each gradient is aligned to 64 bytes.
 */
record BucketLayout(List<Bucket> buckets) {

    /** The alignment that vector instructions and shared cache lines ask for. */
    static final int ALIGNMENT_BYTES = 64;

    /** A gradient to be placed. */
    record Gradient(String parameter, DType dtype, long count) {}

    /** A gradient's place, in elements. */
    record Slot(String parameter, long offset, long count) {}

    /**
     * A flat buffer of gradients.
     *
     * @param count the number of elements of the gradients with their gaps
     * @param tailCount the number of elements behind the gradients, by which the ranks agree
     */
    record Bucket(DType dtype, List<Slot> slots, long count, long tailCount) {

        /** Where the tail begins: aligned like a gradient. */
        long tailOffset() {
            return aligned(count, dtype);
        }

        /** The number of elements, the tail included. */
        long totalCount() {
            return tailCount == 0 ? count : tailOffset() + tailCount;
        }
    }

    /**
     * Fills buckets.
     *
     * @param gradients in the order in which they become ready
     * @param tailCount the length of the last bucket's tail
     */
    static BucketLayout of(List<Gradient> gradients, Reduction reduction, long tailCount) {
        long modelBytes = gradients.stream().mapToLong(g -> g.count() * g.dtype().bytes()).sum();
        long limit = reduction.bucketBytesFor(modelBytes);
        long firstLimit = reduction.firstBucketBytesFor(modelBytes);
        List<Bucket> full = new ArrayList<>();
        Map<DType, Filling> open = new LinkedHashMap<>();
        for (Gradient gradient : gradients) {
            Filling filling = open.remove(gradient.dtype());
            if (filling == null) {
                filling = new Filling(gradient.dtype());
            } else if (!filling.fits(gradient, full.isEmpty() ? firstLimit : limit)) {
                full.add(filling.toBucket());
                filling = new Filling(gradient.dtype());
            }
            filling.add(gradient);
            // Re-inserted at the end: the rests of several types close in order of readiness.
            open.put(gradient.dtype(), filling);
        }
        open.values().forEach(filling -> full.add(filling.toBucket()));
        int last = full.size() - 1;
        if (last >= 0) {
            Bucket bucket = full.get(last);
            full.set(last, new Bucket(bucket.dtype(), bucket.slots(), bucket.count(), tailCount));
        }
        return new BucketLayout(List.copyOf(full));
    }

    /** The next offset that is aligned, in elements. */
    static long aligned(long offset, DType dtype) {
        long elements = ALIGNMENT_BYTES / dtype.bytes();
        return (offset + elements - 1) / elements * elements;
    }

    /** A bucket in the making. */
    private static final class Filling {
        private final DType dtype;
        private final List<Slot> slots = new ArrayList<>();
        private long end;

        Filling(DType dtype) {
            this.dtype = dtype;
        }

        boolean fits(Gradient gradient, long limitBytes) {
            return slots.isEmpty()
                    || (aligned(end, dtype) + gradient.count()) * dtype.bytes() <= limitBytes;
        }

        void add(Gradient gradient) {
            long offset = aligned(end, dtype);
            slots.add(new Slot(gradient.parameter(), offset, gradient.count()));
            end = offset + gradient.count();
        }

        Bucket toBucket() {
            return new Bucket(dtype, List.copyOf(slots), end, 0);
        }
    }
}
