package org.yoloddp.natives;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.testing.JavaProcess;
import org.yoloddp.testing.JavaProcess.Result;

/** Each start in a fresh JVM, since a library once loaded stays. */
@Tag("process")
@EnabledOnOs(OS.LINUX)
class StartOrderTest {

    /** A second libtorch: a copy, as hard links would count as the same library. */
    @TempDir static Path copy;

    /** JavaCPP's and DJL's files; not inside the other, of which DJL loads all that is below. */
    @TempDir static Path cache;

    @BeforeAll
    static void copyLibtorch() throws IOException {
        Path folder = Natives.start().libtorch().getParent();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.so*")) {
            for (Path file : files) {
                if (!file.getFileName().toString().startsWith("libjni")) {
                    Files.copy(file, copy.resolve(file.getFileName()));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "'', javacpp",
        "djl, djl",
        "javacpp, javacpp",
        "javacpp+djl, javacpp",
        "opencv, javacpp",
        "opencv djl, djl"
    })
    void everyOrderGivesOneLibtorch(String before, String source) {
        Result result = start(before).run();
        assertOneLibtorch(result, source);
        boolean limitFixedBefore = before.startsWith("opencv") || before.startsWith("javacpp");
        assertThat(result.values("physical").get(0).equals("0")).isEqualTo(!limitFixedBefore);
    }

    @ParameterizedTest
    @CsvSource({"''", "opencv"})
    void folderOfTheUser(String before) {
        assertOneLibtorch(
                start(before).jvm("-Dyoloddp.libtorch=path:" + copy).run(), "path:" + copy);
    }

    @Test
    void folderThatDjlIsPointedAt() {
        assertOneLibtorch(
                start("").env("PYTORCH_LIBRARY_PATH", copy.toString()).run(), "path:" + copy);
    }

    @Test
    void withoutTheBootstrapTheJvmAborts() {
        Result result =
                JavaProcess.of(TwoLibtorch.class)
                        .jvm("-Dtest.libtorch=" + copy, "-XX:-CreateCoredumpOnCrash")
                        .run();
        assertThat(result.exitCode()).as(result.output()).isEqualTo(134);
    }

    @Test
    void otherSourceThanTheLoadedOneIsRefused() {
        assertThat(failure(start("djl").jvm("-Dyoloddp.libtorch=javacpp").run()))
                .isEqualTo(
                        "yoloddp.libtorch asks for javacpp, but this process has already loaded "
                                + copy.resolve("libtorch_cpu.so")
                                + "; start yolo-ddp first, or leave the property out");
    }

    @Test
    void sourceAgainstTheEnvironmentIsRefused() {
        assertThat(
                        failure(
                                start("")
                                        .jvm("-Dyoloddp.libtorch=javacpp")
                                        .env("PYTORCH_LIBRARY_PATH", copy.toString())
                                        .run()))
                .isEqualTo(
                        "yoloddp.libtorch asks for javacpp, but PYTORCH_LIBRARY_PATH="
                                + copy
                                + " makes DJL load another one; unset one of the two");
    }

    @Test
    void folderWithoutLibtorchIsRefused() {
        assertThat(failure(start("").jvm("-Dyoloddp.libtorch=path:" + copy.getParent()).run()))
                .isEqualTo(
                        "the libtorch folder "
                                + copy.getParent()
                                + " has no libc10.so; give the folder that has");
    }

    @Test
    void missingJarIsShownAsDependency() {
        String path =
                Arrays.stream(System.getProperty("java.class.path").split(":"))
                        .filter(entry -> !entry.matches(".*/pytorch-[^/]*-linux-x86_64.jar"))
                        .collect(Collectors.joining(":"));
        assertThat(failure(start("").classPath(path).run()))
                .isEqualTo(
                        """
                        the native library libjnitorch.so is not on the class path; add to the pom:
                        <dependency>
                            <groupId>org.bytedeco</groupId>
                            <artifactId>pytorch</artifactId>
                            <version>2.7.1-1.5.12</version>
                            <classifier>linux-x86_64</classifier>
                        </dependency>""");
    }

    @Test
    void missingNativeJarOfDjlIsShownAsDependency() {
        Result result =
                start("")
                        .jvm("-Dyoloddp.libtorch=djl", "-Dai.djl.offline=true")
                        .env("DJL_CACHE_DIR", cache.toString())
                        .run();
        assertThat(failure(result))
                .isEqualTo(
                        """
                        DJL found no libtorch_cpu.so of its own and could not download one; \
                        add to the pom:
                        <dependency>
                            <groupId>ai.djl.pytorch</groupId>
                            <artifactId>pytorch-native-cpu</artifactId>
                            <version>2.7.1</version>
                            <classifier>linux-x86_64</classifier>
                        </dependency>
                        or leave yoloddp.libtorch out to use the one of JavaCPP's jar""");
    }

    @Test
    void secondClassLoaderIsTold() {
        Result result = JavaProcess.of(TwoClassLoaders.class).run();
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.values("loader0")).containsExactly("ok");
        assertThat(result.values("loader1").get(0))
                .matches(
                        "org.yoloddp.natives.NativeLibraryException: .*/libtorch_cpu.so is already"
                                + " loaded by another class loader of this JVM, and a native library"
                                + " can belong to one only; put yolo-ddp, DJL and JavaCPP into a"
                                + " class loader that both share \\(a server's library folder\\), or"
                                + " restart the JVM instead of redeploying");
    }

    @Test
    void smallHeapDoesNotLimitForeignMemory() {
        Result result = JavaProcess.of(ForeignMemoryLoad.class).jvm("-Xmx256m").run();
        assertThat(result.values("allocated")).as(result.output()).containsExactly("1048576");
    }

    @Test
    void smallHeapTrainsAYoloV5s(@TempDir Path data) {
        Result result =
                JavaProcess.of(SmallHeapTraining.class, data.toString()).jvm("-Xmx256m").run();
        assertThat(result.values("steps")).as(result.output()).containsExactly("2");
    }

    @Test
    void limitOfTheUserHolds() {
        Result result =
                JavaProcess.of(ForeignMemoryLoad.class)
                        .jvm("-Xmx256m", "-Dorg.bytedeco.javacpp.maxPhysicalBytes=1g")
                        .run();
        assertThat(result.values("allocated"))
                .as(result.output())
                .containsExactly("OutOfMemoryError");
    }

    private static JavaProcess start(String before) {
        String[] first = before.isEmpty() ? new String[0] : before.split(" ");
        return JavaProcess.of(StartOrder.class, first)
                .jvm("-Dtest.libtorch=" + copy, "-XX:TieredStopAtLevel=1")
                .jvm("-Dorg.bytedeco.javacpp.cachedir=" + cache);
    }

    private static void assertOneLibtorch(Result result, String source) {
        assertThat(result.exitCode()).as(result.output()).isZero();
        assertThat(result.output().lines())
                .contains(
                        "source=" + source,
                        "verified=true",
                        "mapped=1",
                        "detected=true",
                        "gradMode=true",
                        "threads=true",
                        "properties=true",
                        "context=true",
                        "again=true",
                        "gradient=6.0",
                        "opencv=16");
    }

    private static String failure(Result result) {
        assertThat(result.values("properties")).as(result.output()).containsExactly("true");
        return result.values("failure").get(0).replace("\\n", "\n");
    }
}
