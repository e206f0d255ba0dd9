package org.yoloddp.nccl;

import org.bytedeco.javacpp.Pointer;

/** An address that somebody else frees. */
final class RawPointer extends Pointer {

    private RawPointer(long address) {
        this.address = address;
    }

    /** The address as JavaCPP takes it; 0 is C's null. */
    static Pointer of(long address) {
        return new RawPointer(address);
    }
}
