package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import org.yoloddp.comm.tcp.TcpProvider;

/** Ranks that are threads and exchange over sockets, as if each were on a host of its own. */
class SocketCommunicatorTest extends CommunicatorFailureContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) throws Exception {
        return Connections.connect(new TcpProvider(), size, deadline, this::host);
    }

    @Override
    protected String host(int rank) {
        return "host " + rank;
    }

    /**
     * A host may have seen the end of a collective whose end is on its way to another; why this is
     * so is told at {@link org.yoloddp.comm.tcp.TcpCommunicator}.
     */
    @Override
    protected long mayDiffer() {
        return 1;
    }
}
