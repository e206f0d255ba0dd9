package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.nccl.NcclReport;

class GpuFindingsTest {

    @Test
    void tellsHowGpusReachEachOther() {
        assertThat(GpuFindings.nccl(report(List.of("a", "b"), List.of())).text())
                .isEqualTo(
                        "2.26.2 from /n; CUDA 12.6 from /c, driver for CUDA 12.8; GPUs at a, b,"
                                + " which reach each other's memory (P2P)");
        assertThat(GpuFindings.nccl(report(List.of("a", "b", "c"), List.of("0-2", "1-2"))).text())
                .endsWith(
                        "GPUs at a, b, c, of which 0-2, 1-2 reach each other through the host only"
                                + " (no P2P)");
        assertThat(GpuFindings.nccl(report(List.of("a"), List.of())).text()).endsWith("GPUs at a");
    }

    private static NcclReport report(List<String> devices, List<String> apart) {
        return new NcclReport(
                Path.of("/n"), "2.26.2", Path.of("/c"), "12.6", "12.8", devices, apart);
    }

    @Test
    void readsLinksFromTheMatrix() {
        assertThat(GpuFindings.nvlink("      GPU0 GPU1\nGPU0  X    NV18\nGPU1  NV18 X\n").text())
                .isEqualTo("18 links between GPUs of this host");
        assertThat(GpuFindings.nvlink("      GPU0 GPU1\nGPU0  X    PHB\nGPU1  PHB  X\n").text())
                .isEqualTo("none between the GPUs of this host, as far as nvidia-smi tells");
    }

    @Test
    void listsNetworkCards(@TempDir Path folder) throws Exception {
        assertThat(GpuFindings.infiniband(folder.resolve("none")).text())
                .isEqualTo("no cards; between hosts NCCL uses sockets");
        Files.createDirectory(folder.resolve("mlx5_1"));
        Files.createDirectory(folder.resolve("mlx5_0"));
        assertThat(GpuFindings.infiniband(folder).text()).isEqualTo("mlx5_0, mlx5_1");
    }

    @Test
    void warnsOfALibtorchForTheCpu() {
        assertThat(GpuFindings.libtorch(true).state()).isEqualTo(Finding.State.WARNING);
        assertThat(GpuFindings.libtorch(false).state()).isEqualTo(Finding.State.OK);
    }
}
