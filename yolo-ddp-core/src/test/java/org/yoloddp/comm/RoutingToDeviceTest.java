package org.yoloddp.comm;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Timeout;

/** The device's side of a routing: every collective on buffers is the device's, barriers aren't. */
@Timeout(120)
class RoutingToDeviceTest extends CommunicatorContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) {
        List<TestDevice> devices = IntStream.range(0, size).mapToObj(TestDevice::new).toList();
        List<Communicator> world = TestDevice.world(devices, deadline);
        List<Communicator> disguised = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            disguised.add(devices.get(rank).disguised(world.get(rank)));
        }
        return disguised;
    }
}
