package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.TestDevice;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.comm.inprocess.InProcessProvider;
import org.yoloddp.error.ConfigurationException;

@Timeout(60)
class LocalRanksTest {

    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final List<MemoryDevice> DEVICES =
            List.of(new MemoryDevice("test", 0), new MemoryDevice("test", 1));

    /** Connects devices that do not exist; a rank may refuse. */
    private record TestProvider(int refusing) implements CommunicatorProvider {

        @Override
        public String name() {
            return "test";
        }

        @Override
        public Availability probe(MemoryDevice device) {
            return Availability.yes("for tests");
        }

        @Override
        public Communicator connect(GroupContext context) {
            if (context.rank() == refusing) {
                throw new ConfigurationException("rank " + refusing + " does not want to");
            }
            // That of this JVM waits for the others like any other does.
            return new TestDevice(context.device().index())
                    .communicator(new InProcessProvider().connect(context));
        }
    }

    @Test
    void eachRankGetsItsDevicesMemoryAndTheHosts() {
        List<Communicator> hosts = InProcessCommunicator.group(2, DEADLINE);
        List<Communicator> joined = LocalRanks.join(new TestProvider(-1), hosts, DEVICES, DEADLINE);
        for (int rank = 0; rank < 2; rank++) {
            Communicator both = joined.get(rank);
            assertThat(both.rank()).isEqualTo(rank);
            try (CommBuffer host = both.allocate(DType.F32, 1);
                    CommBuffer device = both.allocate(DType.F32, 1, DEVICES.get(rank))) {
                assertThat(host.device()).isEqualTo(MemoryDevice.HOST);
                assertThat(device.device()).isEqualTo(DEVICES.get(rank));
            }
        }
        joined.forEach(Communicator::close);
    }

    @Test
    void theFailureOfARankToConnectIsTold() {
        List<Communicator> hosts = InProcessCommunicator.group(2, Duration.ofSeconds(1));
        assertThatThrownBy(
                        () ->
                                LocalRanks.join(
                                        new TestProvider(1), hosts, DEVICES, Duration.ofSeconds(1)))
                .satisfies(
                        e ->
                                assertThat(e.getMessage() + e.getSuppressed()[0].getMessage())
                                        .contains("rank 1 does not want to"));
        hosts.forEach(Communicator::close);
    }

    @Test
    void withoutACommunicatorForADeviceItIsSaidWhatEachLacks() {
        assertThatThrownBy(() -> CommunicatorProviders.require(new MemoryDevice("cuda", 0)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessageStartingWith("No communicator can work on device cuda:0: ")
                .hasMessageContaining("in-process (works on the memory of the host, not of cuda:0)")
                .hasMessageContaining("tcp (works on the memory of the host, not of cuda:0)")
                .hasMessageEndingWith(
                        ". For NVIDIA's GPUs add yolo-ddp-nccl to the class path, and see what it"
                                + " lacks; or compute on the CPU.");
        assertThat(CommunicatorProviders.require(MemoryDevice.HOST).name()).isNotBlank();
        assertThatThrownBy(() -> CommunicatorProviders.get("tcp", new MemoryDevice("cuda", 0)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "The communicator 'tcp' can't work on device cuda:0: works on the memory of"
                                + " the host, not of cuda:0.");
    }
}
