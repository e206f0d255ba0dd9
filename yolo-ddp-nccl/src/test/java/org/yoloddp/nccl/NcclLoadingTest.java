package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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

    @Test
    void aDriverThatIsNotWhereItIsSaidToBe() throws Exception {
        Path driver = folder.resolve("nothing.so");
        String message = refused(driver, stubs.cudart("libcudart.so.12", 12060, 0, 1), folder);
        assertThat(message)
                .isEqualTo(
                        "The library that yoloddp.nccl.driver chooses cannot be opened. Tried:|"
                                + "  yoloddp.nccl.driver: "
                                + driver
                                + ": cannot open shared object file: No such file or directory|"
                                + "Correct the file, or leave yoloddp.nccl.driver out."
                                + README);
    }

    @Test
    void whatTheDoctorIsTold() throws Exception {
        Path nccl = stubs.nccl(22602);
        Path cudart = stubs.cudart("libcudart.so.12", 12060, 0, 3);
        assertThat(load(stubs.driver(), cudart, nccl).values("report"))
                .containsExactly(
                        "NcclReport[library="
                                + nccl
                                + ", version=2.26.2, runtime="
                                + cudart
                                + ", runtimeVersion=12.6, driverVersion=12.6,"
                                + " devices=[0000:00:00.0, 0000:01:00.0, 0000:02:00.0],"
                                + " withoutPeerAccess=[0-2, 1-2]]");
    }

    /** On a machine with a driver the next library is the one that is missing. */
    @Test
    void withoutAnythingConfigured() {
        Result result = start().run();
        String found = String.join("", result.values("refused"));
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).containsExactly("reached");
        Assumptions.assumeFalse(Files.exists(Path.of("/proc/driver/nvidia")), "a driver is here");
        assertThat(found)
                .isEqualTo(
                        "The driver of NVIDIA GPUs, libcuda.so.1, is not here. Tried:|"
                                + "  loaded by this process: libcuda: not loaded|"
                                + "  looked for by the system's linker: libcuda.so.1: cannot open"
                                + " shared object file: No such file or directory|"
                                + "Install the driver (in a container: start it with --gpus all),"
                                + " or train on the CPU."
                                + README);
    }

    /** DJL's libtorch for CUDA has NCCL within, and a runtime with a number in its name. */
    @Test
    void anNcclWithinLibtorch() throws Exception {
        Path torch = stubs.nccl("libtorch_cuda.so", 22105);
        Result result = loaded(torch);
        assertThat(result.values("refused")).isEmpty();
        assertThat(result.values("file")).containsExactly(torch.toString());
        assertThat(result.values("version")).containsExactly("22105");
        assertThat(String.join("", result.values("report")))
                .contains("runtime=" + folder.resolve("libcudart-5d7c4f1a.so.12"));
        // The binding calls it: the words are the stub's.
        assertThat(String.join("", result.values("failed"))).contains("the stub's last words");
    }

    /** One that lacks a function is refused by name, as a libnccl is. */
    @Test
    void anIncompleteNcclWithinLibtorch() throws Exception {
        Path torch = stubs.nccl("libtorch_cuda.so", 22105, NcclFunction.COMM_ABORT);
        assertThat(loaded(torch).values("refused"))
                .containsExactly(
                        "libnccl 2.21.5 from "
                                + torch
                                + " lacks ncclCommAbort, and calling it would end the JVM. Give a"
                                + " complete one by -Dyoloddp.nccl.library=/file."
                                + README);
    }

    @Test
    void aLibtorchWithoutNccl() throws Exception {
        Path torch = stubs.torch();
        Result result = loaded(torch);
        Assumptions.assumeTrue(result.values("file").isEmpty(), "the system has a libnccl");
        assertThat(result.values("refused"))
                .containsExactly(
                        "NCCL, libnccl.so.2, is not here. Tried:|"
                                + "  loaded by this process: libnccl: not loaded|"
                                + "  loaded by this process: "
                                + torch
                                + ": it holds no NCCL|"
                                + "  looked for by the system's linker: libnccl.so.2: cannot open"
                                + " shared object file: No such file or directory|"
                                + "Start with a CUDA libtorch, which brings it"
                                + " (-Dyoloddp.libtorch=path:/folder), or give its file by"
                                + " -Dyoloddp.nccl.library=/file."
                                + README);
    }

    /** Loads with a libtorch, and its runtime, in the process. */
    private Result loaded(Path torch) throws Exception {
        Path driver = stubs.driver();
        Path cudart = stubs.cudart("libcudart-5d7c4f1a.so.12", 12080, 0, 1);
        Result result =
                start(cudart.toString(), torch.toString())
                        .jvm("-D" + NcclOptions.DRIVER + "=" + driver)
                        .run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).as(result.output()).containsExactly("reached");
        return result;
    }

    @Test
    void withoutLibnccl() throws Exception {
        Path driver = stubs.driver();
        Path cudart = stubs.cudart("libcudart.so.12", 12060, 0, 1);
        Result result =
                start().jvm(
                                "-D" + NcclOptions.DRIVER + "=" + driver,
                                "-D" + NcclOptions.CUDART + "=" + cudart)
                        .run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).containsExactly("reached");
        Assumptions.assumeTrue(result.values("file").isEmpty(), "the system has a libnccl");
        assertThat(result.values("refused"))
                .containsExactly(
                        "NCCL, libnccl.so.2, is not here. Tried:|"
                                + "  loaded by this process: libnccl: not loaded|"
                                + "  loaded by this process: libtorch_cuda: not loaded|"
                                + "  looked for by the system's linker: libnccl.so.2: cannot open"
                                + " shared object file: No such file or directory|"
                                + "Start with a CUDA libtorch, which brings it"
                                + " (-Dyoloddp.libtorch=path:/folder), or give its file by"
                                + " -Dyoloddp.nccl.library=/file."
                                + README);
    }

    @Test
    void aRuntimeOfAnotherMajorVersion() throws Exception {
        Path cudart = stubs.cudart("libcudart.so.13", 13000, 0, 1);
        assertThat(refused(stubs.driver(), cudart, stubs.nccl(22602)))
                .isEqualTo(
                        "CUDA's runtime "
                                + cudart
                                + " is of version 13.0, and the binding"
                                + " org.bytedeco:cuda:12.9-9.10-1.5.12 on the class path is for"
                                + " CUDA 12. Use a libtorch for CUDA 12, or the version of"
                                + " org.bytedeco:cuda (jar and linux-x86_64 classifier) that is for"
                                + " your CUDA, such as 13.1-9.19-1.5.13 for CUDA 13."
                                + README);
    }

    @Test
    void aRuntimeThatLacksAFunction() throws Exception {
        Path cudart = stubs.cudart("libcudart.so.12", 12060, 0, 1, CudaFunction.STREAM_WAIT_EVENT);
        assertThat(refused(stubs.driver(), cudart, stubs.nccl(22602)))
                .isEqualTo(
                        "CUDA's runtime from "
                                + cudart
                                + " lacks cudaStreamWaitEvent@libcudart.so.12, and calling it would"
                                + " end the JVM. Give a complete one by"
                                + " -Dyoloddp.nccl.cudart=/file."
                                + README);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "34|The libcuda.so.1 that was found is the stub that programs are linked against,"
                        + " not a driver. Take the folder 'stubs' out of LD_LIBRARY_PATH.",
                "35|The driver is older than this CUDA needs, or libcuda.so.1 is not a driver's."
                        + " Install a newer driver, or a libtorch for an older CUDA.",
                "100|Look at 'nvidia-smi' and CUDA_VISIBLE_DEVICES; a container needs --gpus all.",
                "999|Look at 'nvidia-smi', which should show the GPUs."
            })
    void aDriverThatDoesNotWork(int code, String advice) throws Exception {
        Path cudart = stubs.cudart("libcudart.so.12", 12060, code, 0);
        assertThat(refused(stubs.driver(), cudart, stubs.nccl(22602)))
                .isEqualTo(
                        "There is no GPU to work on: stub error (cudaError "
                                + code
                                + "), says "
                                + cudart
                                + ". "
                                + advice
                                + README);
    }

    @Test
    void anNcclThatLacksAFunction() throws Exception {
        Path nccl = stubs.nccl(22602, NcclFunction.COMM_ABORT, NcclFunction.COMM_SPLIT);
        assertThat(refused(stubs.driver(), stubs.cudart("libcudart.so.12", 12060, 0, 1), nccl))
                .isEqualTo(
                        "libnccl 2.26.2 from "
                                + nccl
                                + " lacks ncclCommAbort, ncclCommSplit, and calling it would end"
                                + " the JVM. Give a complete one by -Dyoloddp.nccl.library=/file."
                                + README);
    }

    @Test
    void anNcclThatIsTooOld() throws Exception {
        Path nccl = stubs.nccl(21304);
        assertThat(refused(stubs.driver(), stubs.cudart("libcudart.so.12", 12060, 0, 1), nccl))
                .isEqualTo(
                        nccl
                                + " is NCCL 2.13.4, and at least 2.14.3 is needed, whose"
                                + " communicators can be aborted. Give a newer one by"
                                + " -Dyoloddp.nccl.library=/file."
                                + README);
    }

    /** It has no ncclCommSplit, which a lazily linked binding would call all the same. */
    @Test
    void whatAVersionDoesNotPromiseIsNotCalled() throws Exception {
        Path nccl = stubs.nccl(21403);
        Result result = load(stubs.driver(), stubs.cudart("libcudart.so.12", 12060, 0, 1), nccl);
        assertThat(result.values("split"))
                .containsExactly(
                        "ncclCommSplit came with NCCL 2.18.1, and "
                                + nccl
                                + " is 2.14.3. Give a newer one by -Dyoloddp.nccl.library=/file."
                                + README);
    }

    private String refused(Path driver, Path cudart, Path nccl) {
        Result result = load(driver, cudart, nccl);
        assertThat(result.values("refused")).as(result.output()).hasSize(1);
        return result.values("refused").get(0);
    }

    private JavaProcess start(String... loadedBefore) {
        return JavaProcess.of(LoadNccl.class, loadedBefore)
                .jvm("-Xmx128m", "-Dorg.bytedeco.javacpp.cachedir=" + cache);
    }

    private Result load(Path driver, Path cudart, Path nccl) {
        Result result =
                start().jvm(
                                "-D" + NcclOptions.DRIVER + "=" + driver,
                                "-D" + NcclOptions.CUDART + "=" + cudart,
                                "-D" + NcclOptions.LIBRARY + "=" + nccl)
                        .run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("end")).as(result.output()).containsExactly("reached");
        return result;
    }
}
