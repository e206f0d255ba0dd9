package org.yoloddp.nccl;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** The same as {@link GpuCollectivesTest}, over the test double: that it would pass on GPUs. */
@Tag("process")
@Timeout(120)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class DoubleCollectivesTest extends DeviceCollectivesContract {

    @Override
    protected NcclProvider provider() throws Exception {
        return TestDouble.provider();
    }

    @Override
    protected int ranks() {
        return 3;
    }
}
