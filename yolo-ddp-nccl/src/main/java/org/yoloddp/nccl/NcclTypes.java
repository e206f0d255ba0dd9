package org.yoloddp.nccl;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.yoloddp.comm.DType;

/** Element types as NCCL numbers them. */
final class NcclTypes {

    private NcclTypes() {}

    /** NCCL's number for a type; all of ours have one. */
    static int of(DType dtype) {
        return switch (dtype) {
            case U8 -> 1;
            case I32 -> 2;
            case I64 -> 4;
            case F16 -> 6;
            case F32 -> 7;
            case F64 -> 8;
            case BF16 -> 9;
        };
    }

    /** A factor as one element, rounded to the nearest. */
    static byte[] scalar(double factor, DType dtype) {
        if (!Double.isFinite(factor)) {
            throw new IllegalArgumentException("a factor must be finite, not " + factor);
        }
        ByteBuffer bytes = ByteBuffer.allocate(dtype.bytes()).order(ByteOrder.nativeOrder());
        switch (dtype) {
            case F32 -> bytes.putFloat((float) factor);
            case F64 -> bytes.putDouble(factor);
            case BF16 -> bytes.putShort(bfloat16((float) factor));
            case F16 -> bytes.putShort(float16((float) factor));
            default -> throw new IllegalArgumentException("no factors of type " + dtype);
        }
        return bytes.array();
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToIntBits(value);
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    /** For factors of ordinary size: too small ones become 0, too large ones infinite. */
    private static short float16(float value) {
        int bits = Float.floatToIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        float magnitude = Math.abs(value);
        if (magnitude >= 65520f) {
            return (short) (sign | 0x7c00);
        }
        if (magnitude < 0x1p-14f) {
            return (short) (sign | (int) Math.rint(magnitude * 0x1p24f));
        }
        int rebiased = (bits & 0x7fffffff) - (112 << 23);
        return (short) (sign | rebiased + 0xfff + (rebiased >>> 13 & 1) >>> 13);
    }
}
