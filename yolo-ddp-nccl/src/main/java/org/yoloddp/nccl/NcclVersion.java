package org.yoloddp.nccl;

/** Versions as ncclGetVersion and cudaRuntimeGetVersion write them. */
final class NcclVersion {

    /** The oldest that is used: it brought communicators that never block the caller. */
    static final int OLDEST = NcclFunction.COMM_INIT_RANK_CONFIG.since();

    private static final int FIRST_OF_FIVE_DIGITS = 10000;

    private NcclVersion() {}

    /** Writes 22602 as 2.26.2, and 2708 as 2.7.8. */
    static String text(int code) {
        int major = code >= FIRST_OF_FIVE_DIGITS ? 10000 : 1000;
        return code / major + "." + code % major / 100 + "." + code % 100;
    }

    /** Writes 12060 as 12.6. */
    static String cudaText(int code) {
        return code / 1000 + "." + code % 1000 / 10;
    }

    static int cudaMajor(int code) {
        return code / 1000;
    }
}
