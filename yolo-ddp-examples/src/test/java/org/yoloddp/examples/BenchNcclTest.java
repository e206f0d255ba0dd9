package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The whole way of {@code bench nccl}, over the test double: its times mean nothing. */
@Tag("process")
@Timeout(200)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class BenchNcclTest {

    private static final String SIZES = "--bytes=1024,300000";

    @TempDir private Path folder;

    @Test
    void threadsEachWithAGpu() throws Exception {
        checkRows(
                new GpuDouble(folder)
                        .run("bench", "nccl", "--json", "--turns=1", "--times=2", SIZES),
                "2.26.2");
    }

    /** NCCL, and the double, refuse two ranks on one GPU unless they seem to be two hosts. */
    @Test
    void processesThatShareAGpu() throws Exception {
        GpuDouble one = new GpuDouble(folder).with("YOLODDP_TEST_DOUBLE_DEVICES", "1");
        checkRows(
                one.run("bench", "nccl", "--nproc=2", "--json", "--turns=1", "--times=2", SIZES),
                "2.26.2");
    }

    /** As on several machines: the ranks' environment comes from the launcher. */
    @Tag("slow")
    @Test
    void processesOfALauncher() throws Exception {
        GpuDouble.Result result =
                new GpuDouble(folder)
                        .run(
                                "launch",
                                "--nproc-per-node=2",
                                "bench",
                                "nccl",
                                "--turns=1",
                                "--times=2",
                                "--bytes=4096");
        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.out().lines())
                .hasSize(3)
                .allSatisfy(line -> assertThat(line).startsWith("[rank 0] "))
                .first()
                .asString()
                .matches(
                        ".* 2 ranks, 4096 bytes: \\S+ ms, raw NCCL calls \\S+ ms, ratio \\S+"
                                + " \\(above 1: ours is faster\\)");
    }

    /** A sum that misses its last element has to be found. */
    @Test
    void aWrongSumIsFound() throws Exception {
        GpuDouble.Result result =
                new GpuDouble(folder)
                        .with("YOLODDP_TEST_DOUBLE_FAULT", "short@1")
                        .run("bench", "nccl", "--turns=1", "--times=2", "--bytes=1024");
        assertThat(result.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(result.err())
                .containsPattern(
                        "GpuCheckException: The sum of yolo-ddp is wrong on rank 1: element"
                                + " 255 is \\S+, not \\S+\\. NCCL, the driver or the hardware has"
                                + " lost or mixed up something");
    }

    @Test
    void withoutAGpuItIsRefusedByType() {
        Output output = new Output();
        assertThat(output.run("bench", "nccl")).isEqualTo(ExitCode.FAILED);
        Assumptions.assumeFalse(
                Path.of("/proc/driver/nvidia").toFile().exists(), "a driver is here");
        assertThat(output.err())
                .isEqualTo(
                        "error: NcclLibraryException: The driver of NVIDIA GPUs, libcuda.so.1, is"
                                + " not here. Tried: loaded by this process: libcuda: not loaded"
                                + " looked for by the system's linker: libcuda.so.1: cannot open"
                                + " shared object file: No such file or directory Install the"
                                + " driver (in a container: start it with --gpus all), or train on"
                                + " the CPU. See \"On GPUs\" in yolo-ddp's README.\n");
    }

    @Test
    void wrongUseIsTold() {
        Output output = new Output();
        assertThat(output.run("bench", "nccl", "--nproc=1")).isEqualTo(ExitCode.WRONG_USE);
        assertThat(output.run("bench", "nccl", "--bytes=1023")).isEqualTo(ExitCode.WRONG_USE);
        assertThat(output.run("bench", "nccl", "--turns=0")).isEqualTo(ExitCode.WRONG_USE);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ParameterException: --nproc has to be at least 2, not 1; 'yolo-ddp"
                                + " bench nccl --help' lists the options",
                        "error: ParameterException: --bytes has to be a multiple of 4, not 1023;"
                                + " 'yolo-ddp bench nccl --help' lists the options",
                        "error: ParameterException: --turns has to be at least 1, not 0; 'yolo-ddp"
                                + " bench nccl --help' lists the options");
    }

    /** 480 GB/s of bus bandwidth is what eight H100 reach, says the table of NCCL's makers. */
    @Test
    void bandwidthIsThatOfNcclTests() {
        Map<String, Double> eight = NcclBench.bandwidth(8_000_000_000L, 29.17, 8);
        assertThat(eight.get("algbw")).isCloseTo(274.25, within(.01));
        assertThat(eight.get("busbw")).isCloseTo(479.9, within(.1));
        assertThat(NcclBench.bandwidth(1000, 1, 1).get("busbw")).isZero();
    }

    private static void checkRows(GpuDouble.Result result, String nccl) {
        assertThat(result.exitCode()).as(result.err()).isZero();
        JsonObject report = new Gson().fromJson(result.out(), JsonObject.class);
        assertThat(report.get("bench").getAsString()).isEqualTo("nccl");
        assertThat(report.getAsJsonObject("versions").get("nccl").getAsString()).isEqualTo(nccl);
        List<String> cases = new ArrayList<>();
        for (JsonElement element : report.getAsJsonArray("rows")) {
            JsonObject row = element.getAsJsonObject();
            cases.add(row.get("case").getAsString() + " / " + row.get("rival").getAsString());
            double millis = row.get("ours_ms").getAsDouble();
            assertThat(millis).isPositive();
            JsonObject speed = row.getAsJsonObject("ours_gb_s");
            assertThat(speed.get("busbw").getAsDouble())
                    .isCloseTo(speed.get("algbw").getAsDouble(), within(.002));
            assertThat(row.getAsJsonObject("rival_gb_s").keySet())
                    .containsExactlyInAnyOrder("algbw", "busbw");
        }
        assertThat(cases)
                .containsExactly(
                        "2 ranks, 1024 bytes / raw NCCL calls",
                        "2 ranks, 300000 bytes / raw NCCL calls");
    }
}
