package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.yoloddp.testing.JavaProcess;
import org.yoloddp.testing.JavaProcess.Result;

/** On the class path of a machine without CUDA this module changes nothing. */
@Tag("process")
@EnabledOnOs(OS.LINUX)
class CpuMachineTest {

    @Test
    void nothingOfCudaIsLoaded() {
        Result result = JavaProcess.of(CpuTraining.class).jvm("-Xmx512m").run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).containsExactly("reached");
        assertThat(result.values("mapped"))
                .as("what shows that maps are read")
                .contains("libtorch_cpu.so", "libjnitorch.so")
                .noneMatch(file -> file.contains("cuda") || file.contains("nccl"));
    }
}
