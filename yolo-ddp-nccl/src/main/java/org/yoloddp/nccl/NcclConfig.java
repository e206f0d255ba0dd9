package org.yoloddp.nccl;

import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.javacpp.BytePointer;
import org.yoloddp.error.ConfigurationException;

/** Writes ncclConfig_t, which NCCL's header would initialise by a macro that no binding has. */
final class NcclConfig {

    /**
     * The version of the header whose fields are written here. NCCL takes what came with a later
     * one as unset, also if the class on the class path has it.
     */
    private static final int HEADER = 22703;

    private static final int MAGIC = 0xcafebeef;
    private static final int UNSET = Integer.MIN_VALUE;

    /** The version that brought the number of CTAs. */
    private static final int CTAS_SINCE = 21700;

    private NcclConfig() {}

    /**
     * Makes the configuration of a communicator. What the options leave open stays NCCL's, and so
     * the environment's, which NCCL reads itself.
     *
     * @param options the user's
     * @param version what ncclGetVersion says
     * @throws ConfigurationException if this version lacks what the options ask for
     */
    static ncclConfig_t of(NcclOptions options, int version) {
        int min = check("minCtas", options.minCtas(), version);
        int max = check("maxCtas", options.maxCtas(), version);
        ncclConfig_t config = new ncclConfig_t();
        config.size(config.sizeof()).magic(MAGIC).version(HEADER);
        config.blocking(options.blocking() ? 1 : 0);
        config.minCTAs(min).maxCTAs(max);
        config.cgaClusterSize(UNSET).netName((BytePointer) null).splitShare(UNSET);
        config.trafficClass(UNSET).commName((BytePointer) null).collnetEnable(UNSET);
        config.CTAPolicy(UNSET).shrinkShare(UNSET).nvlsCTAs(UNSET);
        return config;
    }

    private static int check(String name, int value, int version) {
        if (value == 0) {
            return UNSET;
        }
        if (version < CTAS_SINCE) {
            throw new ConfigurationException(
                    "NcclOptions."
                            + name
                            + " needs NCCL "
                            + NcclVersion.text(CTAS_SINCE)
                            + ", and this is "
                            + NcclVersion.text(version)
                            + ". Leave the option out, or use a newer libnccl.");
        }
        return value;
    }
}
