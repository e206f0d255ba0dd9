package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.error.ConfigurationException;

class DeviceChoiceTest {

    private static final DeviceChoice AUTOMATIC = DeviceChoice.automatic();

    @Test
    void whatYoloV5TakesIsRead() {
        assertThat(DeviceChoice.parse("")).isEqualTo(AUTOMATIC).hasToString("automatic");
        assertThat(DeviceChoice.parse("CPU ")).isEqualTo(DeviceChoice.cpu()).hasToString("cpu");
        assertThat(DeviceChoice.parse("0")).isEqualTo(DeviceChoice.gpus(0)).hasToString("0");
        assertThat(DeviceChoice.parse("cuda:1, 3"))
                .isEqualTo(DeviceChoice.gpus(1, 3))
                .hasSameHashCodeAs(DeviceChoice.gpus(1, 3))
                .isNotEqualTo(DeviceChoice.gpus(3, 1))
                .hasToString("1,3");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tpu", "0,", "-1", "0;1", "cuda"})
    void somethingElseIsRefused(String text) {
        assertThatThrownBy(() -> DeviceChoice.parse(text))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the device '"
                                + text
                                + "' is neither 'cpu' nor numbers of GPUs such as '0' or '0,1'");
    }

    @Test
    void gpusThatCannotBeAreRefused() {
        assertThatThrownBy(() -> DeviceChoice.gpus(0, -1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("the GPUs [0, -1] can't be; name one or more from 0");
        assertThatThrownBy(DeviceChoice::gpus).isInstanceOf(ConfigurationException.class);
    }

    @Test
    void aWorldOfThisJvmTakesWhatIsThere() {
        assertThat(new DevicePlan(0).local(AUTOMATIC)).containsExactly(Device.cpu());
        assertThat(new DevicePlan(1).local(AUTOMATIC)).containsExactly(Device.gpu(0));
        // No communicator of core works on GPUs, so the others would be of no use.
        assertThat(new DevicePlan(4).local(AUTOMATIC)).containsExactly(Device.gpu(0));
        assertThat(new DevicePlan(4).local(DeviceChoice.cpu())).containsExactly(Device.cpu());
        assertThat(new DevicePlan(4).local(DeviceChoice.gpus(3, 1)))
                .containsExactly(Device.gpu(3), Device.gpu(1));
    }

    @Test
    void threadsComputeOnTheCpuUnlessGpusAreNamed() {
        assertThat(new DevicePlan(4).threads(AUTOMATIC, 2))
                .containsExactly(Device.cpu(), Device.cpu());
        assertThat(new DevicePlan(4).threads(DeviceChoice.gpus(2, 3), 2))
                .containsExactly(Device.gpu(2), Device.gpu(3));
        assertThatThrownBy(() -> new DevicePlan(4).threads(DeviceChoice.gpus(2, 3), 3))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "3 ranks can't compute on the GPUs 2,3 of this JVM; name as many GPUs as"
                                + " ranks");
        assertThatThrownBy(() -> new DevicePlan(4).threads(DeviceChoice.gpus(2, 2), 2))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the GPUs 2,2 name one twice, but two ranks of one JVM can't share a GPU;"
                                + " let ranks be processes (yolo-ddp launch)");
    }

    @Test
    void aProcessTakesTheGpuWithItsNumberOnItsHost() {
        assertThat(new DevicePlan(0).process(AUTOMATIC, 3, 4)).isEqualTo(Device.cpu());
        assertThat(new DevicePlan(4).process(AUTOMATIC, 3, 4)).isEqualTo(Device.gpu(3));
        assertThat(new DevicePlan(4).process(DeviceChoice.cpu(), 3, 4)).isEqualTo(Device.cpu());
        assertThat(new DevicePlan(4).process(DeviceChoice.gpus(2, 0), 1, 2))
                .isEqualTo(Device.gpu(0));
        // Two processes may share a GPU, if the communicator lets them.
        assertThat(new DevicePlan(1).process(DeviceChoice.gpus(0, 0), 1, 2))
                .isEqualTo(Device.gpu(0));
    }

    @Test
    void theOnlyProcessOfAJobIsOneRank() {
        Map<String, String> launched = Map.of("RANK", "0", "WORLD_SIZE", "1", "LOCAL_RANK", "0");
        assertThat(World.fromEnvironment(launched).size()).isEqualTo(1);
        assertThatThrownBy(
                        () ->
                                World.fromEnvironment(launched)
                                        .withDevices(DeviceChoice.gpus(2, 3))
                                        .size())
                .isInstanceOf(ConfigurationException.class)
                .hasMessageStartingWith("GPU 2 is asked for, but libtorch sees none");
        assertThat(World.fromEnvironment(Map.of()).size()).isEqualTo(1);
    }

    @Test
    void moreProcessesThanGpusAreRefused() {
        assertThatThrownBy(() -> new DevicePlan(2).process(AUTOMATIC, 2, 3))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "this process is number 2 of 3 on its host, which has 2 GPUs; start as many"
                                + " processes as GPUs, or compute on the CPU");
        assertThatThrownBy(() -> new DevicePlan(4).process(DeviceChoice.gpus(1), 1, 2))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "this process is number 1 of 2 on its host, which has 1 GPU (1); start as"
                                + " many processes as GPUs, or compute on the CPU");
    }

    @Test
    void aGpuThatIsNotThereIsRefusedWithWhatIsMissing() {
        assertThatThrownBy(() -> World.local().withDevices(DeviceChoice.gpus(1)).size())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "GPU 1 is asked for, but libtorch sees none: it is built for the CPU; set"
                                + " -Dyoloddp.libtorch=djl or path:/folder for a CUDA build, or"
                                + " compute on the CPU");
        assertThat(World.local().withDevices(DeviceChoice.cpu()).size()).isEqualTo(1);
        assertThat(World.threads(3).withDevices(DeviceChoice.cpu()).size()).isEqualTo(3);
    }

    @Test
    void kindsOfDevicesAreComparedOverTheRanks() {
        assertThat(new DevicePlan(0).kind(AUTOMATIC)).isEqualTo("cpu");
        assertThat(new DevicePlan(2).kind(AUTOMATIC)).isEqualTo("gpu");
        assertThat(new DevicePlan(2).kind(DeviceChoice.cpu())).isEqualTo("cpu");
        assertThat(new DevicePlan(0).kind(DeviceChoice.gpus(0))).isEqualTo("gpu");
    }
}
