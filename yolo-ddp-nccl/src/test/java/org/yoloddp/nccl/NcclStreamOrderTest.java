package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.testing.JavaProcess;

/**
 * Device buffers of two ranks, filled and read by streams that are late, over the test double: the
 * right sum comes out if each wait is there, and does not if one is left out.
 */
@Tag("process")
@Timeout(100)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclStreamOrderTest {

    @Test
    void collectivesAreOrderedWithTheStreamsOfTheirUsers() throws Exception {
        String output = output();
        for (StreamWait wait : StreamWait.values()) {
            assertThat(output).contains(wait + " wrong=[0, 0]\n");
        }
    }

    @ParameterizedTest
    @EnumSource(StreamWait.class)
    void aMissingWaitIsSeen(StreamWait missing) throws Exception {
        String all = "[" + LateStreams.COUNT + ", " + LateStreams.COUNT + "]";
        assertThat(output(missing.name()))
                .contains(
                        missing == StreamWait.MEMORY
                                ? "an illegal memory access was encountered (yolo-ddp test double)"
                                : missing + " wrong=" + all);
    }

    /** In a JVM of its own, since a device that has been broken stays so. */
    private static String output(String... missing) throws Exception {
        JavaProcess.Result result =
                JavaProcess.of(LateStreams.class, missing)
                        .jvm(TestDouble.options().toArray(new String[0]))
                        .jvm("-XX:TieredStopAtLevel=1", "-Xmx256m")
                        .env("CUDA_MODULE_LOADING", "EAGER")
                        .run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        return result.output();
    }
}
