package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.testing.JavaProcess;
import org.yoloddp.testing.JavaProcess.Result;

/** The checked calls against the test double: configuration, handles that come late, addresses. */
@Tag("process")
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclCallsTest {

    @TempDir Path folder;
    @TempDir Path cache;

    @Test
    void twoRanksAverage() throws Exception {
        Result result = run("");
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("rank")).containsExactly("0", "1");
        assertThat(result.values("size")).containsExactly("2", "2");
        assertThat(result.values("device")).containsExactly("0", "1");
        assertThat(result.values("wrong")).containsExactly("0", "0");
        assertThat(result.values("after"))
                .containsExactly(
                        "Rank 0 failed in ncclCommCount during allReduce(tag 'a') as collective 0"
                                + " of group 'world': not called: the communicator is gone, since"
                                + " it was aborted or closed. NCCL does not allow this, such as two"
                                + " ranks on one GPU: run again with NCCL_DEBUG=WARN.");
        assertThat(result.values("end")).as(result.output()).containsExactly("reached");
    }

    /** What goes wrong after a call has returned is told by the communicator. */
    @Test
    void aFailureOfTheInitIsTold() throws Exception {
        Result result = run("init-fail@0");
        assertThat(result.exitCode()).as(result.output()).isEqualTo(1);
        assertThat(result.output())
                .contains("NcclException: Rank 0 failed in")
                .contains("during allReduce(tag 'a') as collective 0 of group 'world'")
                .contains("test double");
    }

    private Result run(String fault) throws Exception {
        NativeStubs.assumeGcc();
        NativeStubs stubs = new NativeStubs(folder);
        Path driver = stubs.driver();
        Path cudart = stubs.doubleOf("libcudart.so.12", "cudart_test_double.c");
        Path nccl = stubs.doubleOf("libnccl.so.2", "nccl_test_double.c");
        JavaProcess process =
                JavaProcess.of(CallNccl.class)
                        .jvm(
                                "-Xmx128m",
                                "-Dorg.bytedeco.javacpp.cachedir=" + cache,
                                "-D" + NcclOptions.DRIVER + "=" + driver,
                                "-D" + NcclOptions.CUDART + "=" + cudart,
                                "-D" + NcclOptions.LIBRARY + "=" + nccl);
        return fault.isEmpty()
                ? process.run()
                : process.env("YOLODDP_TEST_DOUBLE_FAULT", fault).run();
    }
}
