package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.testing.JavaProcess;

/**
 * Runs the code for GPUs over the CUDA build of libtorch, where a small C library pretends that
 * there are two: no number is right, but every operation is called with what it accepts, tensors of
 * one operation are on one device, and hooks come on libtorch's own threads.
 *
 * <p>Needs the folder {@code torch/lib} of pip's torch 2.7.1, in its place beside {@code nvidia},
 * as the system property {@code yoloddp.test.cudaLibtorch}, and gcc.
 */
@Tag("process")
class PretendedGpuTest {

    private static final String PROPERTY = "yoloddp.test.cudaLibtorch";

    /** Links to libtorch, which a temporary folder would complain of. */
    private static final Path CACHE = Path.of("target", "pretended-gpu");

    @TempDir Path folder;

    @Test
    void everyModeTrainsOnOneGpuAndOnTwo() throws Exception {
        String libtorch = System.getProperty(PROPERTY);
        assumeTrue(libtorch != null, "-D" + PROPERTY + " names no CUDA build of libtorch");
        Path gpu = build(Path.of(libtorch));
        Path services = Files.createDirectories(folder.resolve("services/META-INF/services"));
        Files.writeString(
                services.resolve(CommunicatorProvider.class.getName()),
                PretendedGpuTraining.Provider.class.getName());
        JavaProcess.Result result =
                JavaProcess.of(PretendedGpuTraining.class)
                        .classPath(
                                System.getProperty("java.class.path")
                                        + File.pathSeparator
                                        + folder.resolve("services"))
                        .jvm("-Dyoloddp.libtorch=path:" + libtorch)
                        .jvm(
                                "-Dorg.bytedeco.javacpp.cachedir="
                                        + CACHE.resolve("javacpp").toAbsolutePath())
                        .env("LD_PRELOAD", gpu.toString())
                        .env("LD_LIBRARY_PATH", gpu.getParent().toString())
                        .env("PRETENDED_GPUS", "2")
                        // Memory that no kernel has written holds zeros then, on all ranks alike.
                        .env("PYTORCH_NO_CUDA_MEMORY_CACHING", "1")
                        .env("DJL_CACHE_DIR", CACHE.resolve("djl").toAbsolutePath().toString())
                        .timeout(Duration.ofSeconds(110))
                        .run();
        assertThat(result.output())
                .contains("gpus 2 of true")
                .contains("array on cuda:1, late true: 3.0")
                .contains("moved to cuda:1gpu(1)")
                .contains("ready block: COMPLETED")
                .contains("submitted by threads of libtorch: true");
        assertThat(result.output().lines().filter(line -> line.matches("[12] .*: COMPLETED")))
                .as(result.output())
                .hasSize(28);
        assertThat(result.exitCode()).isZero();
    }

    private Path build(Path libtorch) throws IOException, InterruptedException {
        Path headers = libtorch.resolve("../../nvidia/cuda_runtime/include");
        assumeTrue(Files.isDirectory(headers), "CUDA's headers are not in " + headers);
        // What pip's package lacks; the source says it itself.
        Path missing = Files.createDirectories(folder.resolve("include/crt"));
        Files.createFile(missing.resolve("host_defines.h"));
        Path library = folder.resolve("libcuda.so.1");
        List<String> command =
                List.of(
                        "gcc",
                        "-shared",
                        "-fPIC",
                        "-w",
                        "-I" + missing.getParent(),
                        "-I" + headers,
                        "-Wl,-soname,libcuda.so.1",
                        "-o",
                        library.toString(),
                        "src/test/c/pretended_gpu.c");
        Path output = folder.resolve("gcc.txt");
        Process gcc;
        try {
            gcc =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile())
                            .start();
        } catch (IOException e) {
            assumeTrue(false, "no gcc: " + e.getMessage());
            throw e;
        }
        assertThat(gcc.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(gcc.exitValue()).as(Files.readString(output)).isZero();
        return library;
    }
}
