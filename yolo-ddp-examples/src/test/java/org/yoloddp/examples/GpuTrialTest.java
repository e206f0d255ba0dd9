package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The way of {@code doctor --gpu}, over the test doubles of CUDA and NCCL, with trainings on the
 * CPU: that it gets through on a machine with GPUs, and sees what is wrong there. What a GPU does
 * is for the machine to tell.
 */
@Tag("process")
@Timeout(400)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class GpuTrialTest {

    private static final String PASS = "PASS     ";

    @TempDir private Path folder;

    @Test
    void theOrderOfStreamsOnOneSharedGpu() throws Exception {
        GpuDouble.Result result =
                sharing().run("doctor", "--gpu", "--dry-run", "--parts=STREAM_ORDER");
        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(lines(result))
                .element(0)
                .asString()
                .matches(
                        "PASS     stream-order  all sums of bytes written after \\d+ ms of kernels"
                                + " are right; without the order [1-9]\\d* of 10000 are wrong"
                                + " \\(\\S+ s\\)");
        assertThat(lines(result)).element(1).isEqualTo("The GPUs do what training asks of them.");
    }

    /** All that there is, each part in the words of its report. */
    @Tag("slow")
    @Test
    void everyPart() throws Exception {
        GpuDouble.Result result =
                sharing()
                        .with("YOLODDP_TEST_DOUBLE_TRANSPORT", "p2p")
                        .run("doctor", "--gpu", "--dry-run");
        assertThat(result.exitCode()).as(result.out() + result.err()).isZero();
        List<String> patterns =
                List.of(
                        PASS
                                + "training      mean loss \\S+, on the CPU \\S+, at the start \\S+ .*",
                        PASS + "amp           mean loss \\S+, in float32 \\S+ .*",
                        PASS
                                + "step          yolov5n, 64 px, batch 8: \\S+ ms a step in float32,"
                                + " \\S+ ms a step in mixed precision .*",
                        PASS + "stream-order  all sums .*",
                        PASS + "ranks         2 ranks end with the same weights; mean loss .*",
                        PASS
                                + "bandwidth     2 ranks, 1024 bytes: \\S+ ms, busbw \\S+ GB/s, \\S+"
                                + " x raw NCCL calls .*",
                        PASS
                                + "hung-peer     rank 1 was stopped; after \\S+ s NCCL was ended on"
                                + " the others with RankFailedException .*",
                        "The GPUs do what training asks of them\\.");
        List<String> lines = lines(result);
        assertThat(lines).hasSameSizeAs(patterns);
        for (int i = 0; i < patterns.size(); i++) {
            assertThat(lines.get(i)).matches(patterns.get(i));
        }
    }

    /** A sum without its last element fails the part, and the program says so. */
    @Tag("slow")
    @Test
    void whatIsWrongFailsThePart() throws Exception {
        GpuDouble.Result result =
                sharing()
                        .with("YOLODDP_TEST_DOUBLE_FAULT", "short@0,short@1")
                        .run("doctor", "--gpu", "--dry-run", "--parts=STREAM_ORDER,BANDWIDTH");
        assertThat(result.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(lines(result).get(0)).startsWith("FAIL     stream-order  GpuCheckException: ");
        assertThat(lines(result).get(0)).contains("of 10000 sums are wrong");
        assertThat(lines(result).get(1)).startsWith("FAIL     bandwidth     GpuCheckException: ");
        assertThat(lines(result).get(2)).isEqualTo("2 of 2 parts failed on the GPUs.");
    }

    private GpuDouble sharing() throws Exception {
        return new GpuDouble(folder).with("YOLODDP_TEST_DOUBLE_DEVICES", "1");
    }

    /** What stands behind the doctor's findings. */
    private static List<String> lines(GpuDouble.Result result) {
        List<String> lines = result.out().lines().toList();
        int shared =
                lines.indexOf(
                        "Several ranks share the one GPU, as processes with an NCCL_HOSTID each,"
                                + " over sockets: slow, and without a word on links between GPUs.");
        assertThat(shared).as(result.out() + result.err()).isPositive();
        return lines.subList(shared + 1, lines.size());
    }
}
