package org.yoloddp.nccl;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.natives.Natives;

/**
 * All collectives over NCCL, by one rank per GPU, as threads of this process. Needs two GPUs, a
 * CUDA libtorch given by -Dyoloddp.libtorch=path:, and CUDA_MODULE_LOADING=EAGER, which the build
 * sets.
 */
@Tag("gpu")
@Timeout(300)
class GpuCollectivesTest extends DeviceCollectivesContract {

    private static final int MOST = 4;

    private int gpus;

    @Override
    protected NcclProvider provider() {
        Natives.start();
        NcclProvider provider = new NcclProvider();
        Availability found = provider.probe(new MemoryDevice("cuda", 0));
        assumeTrue(found.available(), () -> "no GPU for NCCL: " + found.reason());
        gpus = NcclReport.read(NcclOptions.defaults()).devices().size();
        assumeTrue(gpus > 1, "one GPU only: several ranks that are threads need one each");
        return provider;
    }

    @Override
    protected int ranks() {
        return Math.min(MOST, gpus);
    }
}
