package org.yoloddp.nccl;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;
import org.yoloddp.comm.DType;

/**
 * What a call moves.
 *
 * @param source the device's address of what goes out
 * @param target the device's address of what comes in; the same for working in place
 * @param count the number of elements
 * @param dtype their type
 * @param stream the stream's handle, 0 for the null stream
 */
record NcclTransfer(long source, long target, long count, DType dtype, long stream) {

    /** Working in place. */
    static NcclTransfer inPlace(long address, long count, DType dtype, long stream) {
        return new NcclTransfer(address, address, count, dtype, stream);
    }

    /** The same of a part. */
    NcclTransfer part(long first, long number) {
        long from = first * dtype.bytes();
        return new NcclTransfer(source + from, target + from, number, dtype, stream);
    }

    /** The same out of this memory and into other: as many elements as the smaller of them has. */
    NcclTransfer sharesInto(NcclTransfer other) {
        return new NcclTransfer(source, other.target, Math.min(count, other.count), dtype, stream);
    }

    Pointer from() {
        return RawPointer.of(source);
    }

    Pointer to() {
        return RawPointer.of(target);
    }

    int type() {
        return NcclTypes.of(dtype);
    }

    CUstream_st queue() {
        return new CUstream_st(RawPointer.of(stream));
    }
}
