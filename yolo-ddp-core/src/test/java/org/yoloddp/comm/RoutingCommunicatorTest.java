package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

/** The host's side of a routing keeps every promise; and what only a routing has. */
@Timeout(120)
class RoutingCommunicatorTest extends CommunicatorFailureContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) {
        return TestDevice.world(devices(size), deadline);
    }

    private static List<TestDevice> devices(int size) {
        return IntStream.range(0, size).mapToObj(TestDevice::new).toList();
    }

    private static CommBuffer onDevice(Communicator c, long count) {
        return c.allocate(DType.F32, count, new MemoryDevice("test", c.rank()));
    }

    @Test
    void whereABufferLivesTellsWhoWorksOnIt() {
        List<TestDevice> devices = devices(1);
        try (Communicator c = TestDevice.world(devices, LONG).get(0);
                CommBuffer host = c.allocate(DType.F32, 2);
                CommBuffer same = c.allocate(DType.F32, 2, MemoryDevice.HOST);
                CommBuffer device = onDevice(c, 2)) {
            assertThat(host.device()).isEqualTo(MemoryDevice.HOST);
            assertThat(same.device()).isEqualTo(MemoryDevice.HOST);
            assertThat(device.device()).isEqualTo(new MemoryDevice("test", 0));
            allReduce(c, host, ReduceOp.SUM, "x").await(LONG);
            assertThat(devices.get(0).uses()).isEmpty();
            Work work = c.allReduce(device, ReduceOp.SUM, devices.get(0).current(), "x");
            work.orderBefore(devices.get(0).current());
            assertThat(devices.get(0).uses())
                    .containsExactly(
                            TestDevice.Use.CURRENT,
                            TestDevice.Use.RECORD,
                            TestDevice.Use.CLOSE,
                            TestDevice.Use.CURRENT,
                            TestDevice.Use.ORDER);
        }
    }

    @Test
    void aBufferOfTheDeviceNeedsAStreamOfTheDevice() throws Exception {
        Communicator c = world(1).get(0);
        try (CommBuffer device = onDevice(c, 2)) {
            assertThatThrownBy(() -> allReduce(c, device, ReduceOp.SUM, "x"))
                    .isInstanceOf(UnsupportedBufferException.class);
            assertThatThrownBy(device::bytes)
                    .isInstanceOf(UnsupportedBufferException.class)
                    .hasMessage(
                            "The bytes of a buffer of 2 x F32 on device test:0 can't be seen from"
                                    + " Java: make an array over its address, and copy that to the"
                                    + " host.");
        }
    }

    @Test
    void abortEndsBothSidesOnAllRanks() throws Exception {
        List<Communicator> world = world(2);
        try (CommBuffer buffer = onDevice(world.get(1), 1)) {
            Work host = world.get(1).barrier("x");
            Work device =
                    world.get(1).allReduce(buffer, ReduceOp.SUM, new TestDevice(1).current(), "x");
            IllegalStateException cause = new IllegalStateException("on purpose");
            world.get(0).abort(cause);
            assertThatThrownBy(() -> host.await(LONG)).hasCause(cause);
            assertThatThrownBy(() -> device.await(LONG)).hasCause(cause);
        }
    }

    @Test
    void whoWaitsForAFailedSideEndsTheOther() throws Exception {
        List<Communicator> hosts = InProcessCommunicator.group(2, LONG);
        List<Communicator> devices = InProcessCommunicator.group(2, LONG);
        TestDevice device = new TestDevice(0);
        IllegalStateException cause = new IllegalStateException("of the device");
        try (Communicator routing =
                        RoutingCommunicator.of(hosts.get(0), device.communicator(devices.get(0)));
                Communicator otherHost = hosts.get(1);
                Communicator otherDevice = devices.get(1);
                CommBuffer buffer = onDevice(routing, 1)) {
            Work pending = otherHost.barrier("pending");
            Work work = routing.allReduce(buffer, ReduceOp.SUM, device.current(), "x");
            otherDevice.abort(cause);
            assertThat(pending.isDone()).isFalse();
            assertThatThrownBy(() -> work.orderBefore(device.current())).hasRootCause(cause);
            assertThatThrownBy(() -> pending.await(LONG)).hasRootCause(cause);
        }
    }

    @Test
    void splitSplitsBothSides() throws Exception {
        List<TestDevice> devices = devices(3);
        List<Communicator> world = TestDevice.world(devices, LONG);
        List<Boolean> members =
                RankGroup.results(
                        world,
                        c -> {
                            Communicator pair = c.split("pair", 2, 0).orElse(null);
                            if (pair == null) {
                                return false;
                            }
                            TestDevice device = devices.get(c.rank());
                            try (CommBuffer one = pair.allocate(DType.F32, 1, device.memory())) {
                                pair.allReduce(one, ReduceOp.SUM, device.current(), "x")
                                        .await(LONG);
                            }
                            pair.barrier("x").await(LONG);
                            assertThat(pair.rank()).isEqualTo(c.rank() == 2 ? 0 : 1);
                            return true;
                        });
        assertThat(members).containsExactly(true, false, true);
        world.forEach(Communicator::close);
    }

    @Test
    void communicatorsOfDifferentRanksAreNotJoined() {
        List<Communicator> two = InProcessCommunicator.group(2, LONG);
        assertThatThrownBy(() -> RoutingCommunicator.of(two.get(0), two.get(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("Rank 0 of 2 on the host cannot be rank 1 of 2 on its device");
        two.forEach(Communicator::close);
    }

    @Test
    void theHostIsAStreamOnWhichAllHasHappened() {
        StreamEvent event = ComputeStream.HOST.record();
        assertThat(event).isSameAs(StreamEvent.PASSED);
        assertThat(event.hasPassed()).isTrue();
        assertThat(event.handle()).isZero();
        ComputeStream.HOST.waitFor(event);
        assertThat(ComputeStream.HOST.device()).isEqualTo(MemoryDevice.HOST);
    }
}
