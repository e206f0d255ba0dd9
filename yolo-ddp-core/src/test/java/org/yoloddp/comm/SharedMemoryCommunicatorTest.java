package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import org.yoloddp.comm.tcp.TcpProvider;

/** Ranks that are threads, each with its own mapping of the shared memory. */
class SharedMemoryCommunicatorTest extends CommunicatorFailureContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) throws Exception {
        return Connections.connect(
                new TcpProvider(), size, deadline, rank -> GroupContext.localHostId());
    }
}
