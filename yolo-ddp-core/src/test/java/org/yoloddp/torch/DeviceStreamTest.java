package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;

@Tag("torch")
class DeviceStreamTest {

    @Test
    void theHostsStreamIsTheHost() {
        assertThat(DeviceStream.current(MemoryDevice.HOST)).isSameAs(ComputeStream.HOST);
    }

    @Test
    void aDeviceThatThisLibtorchLacksIsRefusedByName() {
        assumeFalse(Devices.isCudaBuild(), "this libtorch is built for CUDA");
        assertThat(Devices.gpuCount()).isZero();
        assertThatThrownBy(() -> DeviceStream.current(new MemoryDevice("cuda", 1)))
                .isInstanceOf(TorchException.class)
                .hasMessage(
                        "this libtorch has no device cuda:1: it is built for the CPU only; set"
                                + " -Dyoloddp.libtorch=path:/folder to a CUDA build, or compute on the CPU");
    }

    @Test
    void devicesOfDjlAndOfMemoryCorrespond() {
        assertThat(Devices.memory(Device.cpu())).isEqualTo(MemoryDevice.HOST);
        assertThat(Devices.memory(Device.gpu(3))).isEqualTo(new MemoryDevice("cuda", 3));
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            assertThat(Devices.memory(manager.ones(new Shape(2)))).isEqualTo(MemoryDevice.HOST);
        }
    }
}
