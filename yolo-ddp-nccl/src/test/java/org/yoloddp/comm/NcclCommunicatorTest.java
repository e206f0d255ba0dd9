package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.yoloddp.nccl.TestDouble;

/** Ranks that are threads, each with a device of its own, over the test double of NCCL. */
@Tag("process")
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclCommunicatorTest extends CommunicatorFailureContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) throws Exception {
        return Connections.connect(
                TestDouble.provider(), size, deadline, rank -> GroupContext.localHostId());
    }

    /**
     * Each device passes the end of a collective by itself, so all that ranks have in flight may
     * have ended on one of them alone: two in the contract's test.
     */
    @Override
    protected long mayDiffer() {
        return 2;
    }
}
