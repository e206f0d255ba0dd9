package org.yoloddp;

import java.util.Map;
import org.yoloddp.nccl.TestDouble;

/** The same over NCCL's test double. */
class NcclWhoWasWhereTest extends WhoWasWhereLaunchTest {

    @Override
    FaultLaunch launch() throws Exception {
        return new FaultLaunch(
                folder, TestDouble.options(), Map.of("YOLODDP_COMMUNICATOR", "nccl"));
    }
}
