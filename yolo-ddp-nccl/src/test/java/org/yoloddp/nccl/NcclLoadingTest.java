package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.testing.JavaProcess;
import org.yoloddp.testing.JavaProcess.Result;

/** Each load in a JVM of its own, which must not die of it. */
@Tag("process")
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclLoadingTest {

    private static final String README = " See \"On GPUs\" in yolo-ddp's README.";

    @TempDir Path folder;
    @TempDir Path cache;

    private NativeStubs stubs;

    @BeforeEach
    void findCompiler() {
        NativeStubs.assumeGcc();
        stubs = new NativeStubs(folder);
    }

    @Test
    void aCompleteSetIsBoundAndItsCallsAreChecked() throws Exception {
        Path nccl = stubs.nccl(22602);
        Result result = load(stubs.driver(), stubs.cudart("libcudart.so.12", 12060, 0, 1), nccl);
        assertThat(result.values("file")).containsExactly(nccl.toString());
        assertThat(result.values("version")).containsExactly("22602");
        assertThat(result.values("failed"))
                .containsExactly(
                        "Rank 3 failed in ncclGetUniqueId during connect() of group 'world': stub"
                                + " error (ncclInternalError, 3): the stub's last words. NCCL broke,"
                                + " or memory was overwritten: run again with NCCL_DEBUG=INFO.");
        assertThat(result.values("split"))
                .containsExactly(
                        "Rank 3 failed in ncclCommSplit during connect() of group 'world': not"
                                + " called: the communicator is still being made. NCCL does not"
                                + " allow this, such as two ranks on one GPU: run again with"
                                + " NCCL_DEBUG=WARN.");
        assertThat(result.values("cuda"))
                .containsExactly(
                        "cudaSetDevice failed, to work on device 0: stub error (stub error, 999)."
                                + " An earlier kernel may have caused it; run again with"
                                + " CUDA_LAUNCH_BLOCKING=1 to see which, and look at 'yolo-ddp"
                                + " doctor'.");
    }

    private Result load(Path driver, Path cudart, Path nccl) {
        Result result =
                JavaProcess.of(LoadNccl.class)
                        .jvm(
                                "-Xmx128m",
                                "-Dorg.bytedeco.javacpp.cachedir=" + cache,
                                "-D" + NcclOptions.DRIVER + "=" + driver,
                                "-D" + NcclOptions.CUDART + "=" + cudart,
                                "-D" + NcclOptions.LIBRARY + "=" + nccl)
                        .run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).as(result.output()).containsExactly("reached");
        return result;
    }
}
