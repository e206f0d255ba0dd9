package org.yoloddp.ddp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import org.yoloddp.comm.DType;

/**
 * The elements behind the gradients of the last bucket, by which the ranks agree.
 *
 * <p>Each is a one or a zero: the average over ranks of ones and zeros is above zero exactly if
 * there is a one, however it is rounded.
 */
final class BucketTail {

    private final GradientBucket bucket;
    private final DType dtype;

    BucketTail(GradientBucket bucket) {
        this.bucket = bucket;
        this.dtype = bucket.buffer().dtype();
    }

    /** Writes this rank's ones, one element per bit; the rest becomes zero. */
    void write(BitSet raised) {
        ByteBuffer bytes = bytes();
        for (int i = 0; i < bucket.tailCount(); i++) {
            int at = i * dtype.bytes();
            boolean one = raised.get(i);
            switch (dtype) {
                case F64 -> bytes.putDouble(at, one ? 1 : 0);
                case F32 -> bytes.putFloat(at, one ? 1 : 0);
                // One, as the bits of its type.
                case F16 -> bytes.putShort(at, (short) (one ? 0x3c00 : 0));
                case BF16 -> bytes.putShort(at, (short) (one ? 0x3f80 : 0));
                default -> throw new IllegalStateException("gradients of " + dtype);
            }
        }
    }

    /** Reads which elements are one on any rank, once the bucket is reduced. */
    BitSet read() {
        ByteBuffer bytes = bytes();
        BitSet raised = new BitSet();
        for (int i = 0; i < bucket.tailCount(); i++) {
            int at = i * dtype.bytes();
            boolean one =
                    switch (dtype) {
                        case F64 -> bytes.getDouble(at) > 0;
                        case F32 -> bytes.getFloat(at) > 0;
                        default -> bytes.getShort(at) != 0;
                    };
            raised.set(i, one);
        }
        return raised;
    }

    private ByteBuffer bytes() {
        return bucket.buffer()
                .slice(bucket.tailOffset(), bucket.tailCount())
                .bytes()
                .order(ByteOrder.nativeOrder());
    }
}
