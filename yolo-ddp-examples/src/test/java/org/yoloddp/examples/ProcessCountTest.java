package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.error.ConfigurationException;

class ProcessCountTest {

    private static final String LIST =
            "GPU 0: NVIDIA H200 (UUID: GPU-1)\nGPU 1: NVIDIA H200 (UUID: GPU-2)\n"
                    + "GPU 2: NVIDIA H200 (UUID: GPU-3)";

    @TempDir private Path folder;

    private ProcessCount machine(Map<String, String> environment, String list) {
        return new ProcessCount(
                environment, folder.resolve("driver"), () -> Optional.ofNullable(list), 12);
    }

    @Test
    void wordsAreThoseOfTorchrun() {
        ProcessCount gpus = machine(Map.of(), LIST);
        assertThat(gpus.parse("5")).isEqualTo(5);
        assertThat(gpus.parse("gpu")).isEqualTo(3);
        assertThat(gpus.parse("auto")).isEqualTo(3);
        assertThat(gpus.parse("cpu")).isEqualTo(12);
        assertThat(machine(Map.of(), null).parse("auto")).isEqualTo(12);
    }

    @Test
    void theDriversFolderGoesBeforeItsProgram() throws IOException {
        Files.createDirectories(folder.resolve("driver").resolve("0000:17:00.0"));
        assertThat(machine(Map.of(), LIST).parse("gpu")).isEqualTo(1);
    }

    /** What follows one that is not there is not shown either, as CUDA has it. */
    @ParameterizedTest
    @CsvSource({"'0,2', 2", "'1', 1", "'1,7,0', 1", "'0,-1,1', 1", "'GPU-3,GPU-1', 2"})
    void onlyTheVisibleCount(String visible, int count) {
        Map<String, String> environment = Map.of("CUDA_VISIBLE_DEVICES", visible);
        assertThat(machine(environment, LIST).parse("gpu")).isEqualTo(count);
    }

    @Test
    void noneVisibleIsNone() {
        ProcessCount none = machine(Map.of("CUDA_VISIBLE_DEVICES", ""), LIST);
        assertThat(none.parse("auto")).isEqualTo(12);
        assertThatThrownBy(() -> none.parse("gpu"))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--nproc-per-node=gpu finds no GPU on this node: see nvidia-smi and"
                                + " CUDA_VISIBLE_DEVICES, or give a number or 'auto'");
    }

    @Test
    void anythingElseIsWrongUse() {
        assertThatThrownBy(() -> machine(Map.of(), LIST).parse("many"))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--nproc-per-node is 'many', but has to be a number, 'gpu', 'cpu' or"
                                + " 'auto'");
    }
}
