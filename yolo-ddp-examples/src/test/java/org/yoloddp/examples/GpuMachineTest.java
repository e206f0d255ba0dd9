package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonParser;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.natives.NativeLibraryException;
import org.yoloddp.natives.Natives;
import org.yoloddp.nccl.CudaException;
import org.yoloddp.nccl.NcclOptions;
import org.yoloddp.nccl.NcclReport;

/**
 * What {@code doctor --gpu} tries, on this machine's GPUs: training, mixed precision, the order of
 * streams, two ranks on one GPU (by NCCL_HOSTID) or on two, bandwidth, a rank that hangs. Needs a
 * CUDA libtorch, given by -Dyoloddp.libtorch=path:. {@link GpuTrialTest} holds its way without one.
 */
@Tag("gpu")
@Timeout(600)
class GpuMachineTest {

    private static final int LIMIT_SECONDS = 570;

    @TempDir private Path folder;

    @BeforeAll
    static void requireGpu() {
        Natives.start();
        String missing = "";
        try {
            NcclReport.read(NcclOptions.defaults());
        } catch (NativeLibraryException | CudaException e) {
            missing = e.getMessage();
        }
        assumeTrue(missing.isEmpty(), "no GPU for NCCL: " + missing);
        assumeTrue(
                !Natives.isForCpuOnly(),
                "libtorch is for the CPU: give -Dyoloddp.libtorch=path:/folder");
    }

    @ParameterizedTest
    @EnumSource(GpuPart.class)
    void passes(GpuPart part) throws Exception {
        GpuDouble.Result result = run("doctor", "--gpu", "--parts=" + part.name());
        assertThat(result.exitCode()).as(result.out() + result.err()).isZero();
        assertThat(result.out()).contains("PASS     " + part.text());
    }

    /** Whatever the machine is, a wrapper must not make large sums slower by a lot. */
    @Test
    void bandwidthIsThatOfBareCalls() throws Exception {
        GpuDouble.Result result =
                run("bench", "nccl", "--nproc=2", "--bytes=67108864", "--turns=3", "--json");
        assertThat(result.exitCode()).as(result.err()).isZero();
        double ratio =
                JsonParser.parseString(result.out())
                        .getAsJsonObject()
                        .getAsJsonArray("rows")
                        .get(0)
                        .getAsJsonObject()
                        .get("ratio")
                        .getAsDouble();
        assertThat(ratio).as(result.out()).isGreaterThan(.8);
    }

    /** In a JVM of its own, which passes to its ranks what the build was told of libraries. */
    private GpuDouble.Result run(String... arguments) throws Exception {
        List<String> options = new ArrayList<>();
        for (String name : System.getProperties().stringPropertyNames()) {
            if (name.matches(
                    "(yoloddp\\.(libtorch|nccl\\.)|jna\\.library\\.path|org\\.bytedeco\\.).*")) {
                options.add("-D" + name + "=" + System.getProperty(name));
            }
        }
        Map<String, String> environment = Map.of("CUDA_MODULE_LOADING", "EAGER");
        return GpuDouble.run(folder, options, environment, LIMIT_SECONDS, arguments);
    }
}
