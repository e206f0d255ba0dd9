package org.yoloddp.natives;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineProvider;
import ai.djl.util.cuda.CudaUtils;
import java.io.File;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.testing.JavaProcess;
import org.yoloddp.testing.JavaProcess.Result;

/** Applications that start DJL first, without a native jar of DJL and without a network. */
@Tag("process")
@EnabledOnOs(OS.LINUX)
class SharedTorchEngineProviderTest {

    /** DJL's files, none yet: what DJL needs has to come from the class path. */
    @TempDir Path cache;

    @BeforeEach
    void needsAMachineWithoutCuda() {
        Assumptions.assumeFalse(CudaUtils.hasCuda(), "with CUDA, DJL is left alone");
    }

    @ParameterizedTest
    @CsvSource({
        "plain, false",
        "plain, true",
        "version plain, false",
        "version, true",
        "opencv plain, false",
        "javacpp plain, true",
        "both, false",
        "both, true"
    })
    void djlStartsOnTheLibtorchOfTheBinding(String before, boolean djlFirst) {
        assertJoined(start(before).classPath(classPath(djlFirst)).run());
    }

    @Test
    void askingForItByNameIsTheSame() {
        assertJoined(start("plain").jvm("-Dyoloddp.libtorch=javacpp").run());
    }

    private static void assertJoined(Result result) {
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.output().lines())
                .contains(
                        "source=javacpp",
                        "verified=true",
                        "mapped=1",
                        "detected=true",
                        "gradMode=true",
                        "threads=true",
                        "properties=true",
                        "context=true",
                        "again=true",
                        "gradient=6.0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-Dyoloddp.libtorch=djl", "-DPYTORCH_FLAVOR=cpu"})
    void djlFailsAsEverWhereTheUserHasChosen(String choice) {
        Result result = start("plain").jvm(choice).run();
        assertThat(result.exitCode()).as(result.output()).isOne();
        assertThat(result.output())
                .contains("ai.djl.engine.EngineException")
                .doesNotContain("yolo-ddp could not load");
    }

    @Test
    void withoutTheJarsOfTheBindingDjlFindsLibtorchByItself() {
        String path =
                Arrays.stream(classPath(false).split(File.pathSeparator))
                        .filter(entry -> !entry.matches(".*/pytorch-[^/]*-linux-x86_64.jar"))
                        .collect(Collectors.joining(File.pathSeparator));
        Result result = start("plain").classPath(path).run();
        assertThat(result.exitCode()).as(result.output()).isOne();
        assertThat(result.output())
                .contains("DJL finds libtorch by itself, since yolo-ddp could not load it")
                .contains("ai.djl.engine.EngineException");
    }

    @Test
    void theEnginesAreDjlsOwn() {
        assertThat(Engine.getAllEngines()).containsExactlyInAnyOrder("PyTorch", "RPC");
        assertThat(Engine.getDefaultEngineName()).isEqualTo("PyTorch");
        EngineProvider ours =
                ServiceLoader.load(EngineProvider.class).stream()
                        .filter(p -> p.type() == SharedTorchEngineProvider.class)
                        .findFirst()
                        .orElseThrow()
                        .get();
        assertThat(ours.getEngineRank()).isEqualTo(2);
    }

    @Test
    void aChoiceOfTheUserIsNamed() {
        assertThat(
                        SharedTorchEngineProvider.reasonToLeaveDjlAlone(
                                name -> name.equals("PYTORCH_FLAVOR") ? "cu128" : null))
                .isEqualTo("PYTORCH_FLAVOR is set");
        assertThat(SharedTorchEngineProvider.reasonToLeaveDjlAlone(name -> null)).isNull();
    }

    private JavaProcess start(String before) {
        return JavaProcess.of(StartOrder.class, before.split(" "))
                .jvm("-Dai.djl.offline=true", "-XX:TieredStopAtLevel=1")
                .env("DJL_CACHE_DIR", cache.toString());
    }

    /** DJL finds providers in the order of the class path. */
    private static String classPath(boolean djlFirst) {
        String[] entries = System.getProperty("java.class.path").split(File.pathSeparator);
        return Arrays.stream(entries)
                .sorted(Comparator.comparing(e -> e.contains("pytorch-engine") != djlFirst))
                .collect(Collectors.joining(File.pathSeparator));
    }
}
