package org.yoloddp.ddp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;

/**
 * Looks for gradients that are infinite or not a number before a bucket is averaged, since
 * afterwards nobody can tell whose they were.
 *
 * <p>To read all gradients would take as long as reading them for the average. An infinity or NaN
 * in a layer's backward ends up in the sum that is the gradient of its bias or scale, and goes on
 * to the layers before it; so the small parameters of a bucket are read, or, if it has none, some
 * elements of its smallest.
 */
final class FiniteGradients {

    /** Small is what has no more elements. */
    private static final int MOST = 4096;

    private final int rank;
    private boolean required;
    private long step;

    FiniteGradients(int rank) {
        this.rank = rank;
    }

    void require(boolean on) {
        required = on;
    }

    void atStep(long number) {
        step = number;
    }

    /** Throws if a gradient of this rank is not finite; the bucket must not have been started. */
    void check(GradientBucket bucket) {
        if (!required || !(bucket.buffer() instanceof HostBuffer)) {
            return;
        }
        boolean any = false;
        for (GradientBucket.Slot slot : bucket.slots()) {
            if (slot.count() <= MOST) {
                any = true;
                check(bucket, slot);
            }
        }
        if (!any) {
            bucket.slots().stream()
                    .min(Comparator.comparing(GradientBucket.Slot::count))
                    .ifPresent(slot -> check(bucket, slot));
        }
    }

    private void check(GradientBucket bucket, GradientBucket.Slot slot) {
        DType dtype = bucket.buffer().dtype();
        // What can be read as bytes ends at 2 GiB.
        int count = (int) Math.min(slot.count(), Integer.MAX_VALUE / dtype.bytes());
        ByteBuffer bytes =
                bucket.buffer().slice(slot.offset(), count).bytes().order(ByteOrder.nativeOrder());
        int stride = Math.max(1, (count - 1) / MOST + 1);
        for (int i = 0; i < count; i += stride) {
            double value =
                    switch (dtype) {
                        case F32 -> bytes.getFloat(i * Float.BYTES);
                        case F64 -> bytes.getDouble(i * Double.BYTES);
                        case F16 -> half(bytes.getShort(i * Short.BYTES), 10);
                        case BF16 -> half(bytes.getShort(i * Short.BYTES), 7);
                        default -> throw new IllegalStateException("gradients of " + dtype);
                    };
            if (!Double.isFinite(value)) {
                throw NonFiniteGradientException.of(rank, step, slot.parameter(), value);
            }
        }
    }

    /** Tells what of a 16-bit float is of interest here: 0, an infinity or NaN. */
    private static double half(short bits, int mantissaBits) {
        int exponent = 0x7fff >> mantissaBits;
        if ((bits >> mantissaBits & exponent) != exponent) {
            return 0;
        }
        if ((bits & (1 << mantissaBits) - 1) != 0) {
            return Double.NaN;
        }
        return bits < 0 ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }
}
