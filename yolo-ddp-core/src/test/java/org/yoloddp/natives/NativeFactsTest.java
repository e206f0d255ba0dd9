package org.yoloddp.natives;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.error.ConfigurationException;

/** What is decided before anything native is loaded. */
class NativeFactsTest {

    @ParameterizedTest
    @CsvSource({
        "Linux, amd64, LINUX_X86_64",
        "Linux, x86_64, LINUX_X86_64",
        "Mac OS X, aarch64, MACOSX_ARM64",
        "Windows 11, amd64, WINDOWS_X86_64"
    })
    void platformsByJavasNames(String os, String arch, NativePlatform expected) {
        assertThat(NativePlatform.of(os, arch)).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({"Linux, aarch64", "Mac OS X, x86_64", "Windows 11, aarch64", "SunOS, sparc"})
    void otherPlatformsAreRefused(String os, String arch) {
        assertThatThrownBy(() -> NativePlatform.of(os, arch))
                .isInstanceOf(NativeLibraryException.class)
                .hasMessage(
                        "there are no native libraries for "
                                + os
                                + " on "
                                + arch
                                + "; supported are linux-x86_64 (glibc), macosx-arm64 and"
                                + " windows-x86_64");
    }

    @ParameterizedTest
    @CsvSource({"2.36, true", "2.35, true", "3.0, true", "2.34, false", "(none: musl?), false"})
    void glibcIsComparedByNumber(String version, boolean enough) {
        assertThat(Glibc.atLeast(version, Glibc.NEEDED)).isEqualTo(enough);
    }

    @Test
    void sourcesHaveATextForm() {
        for (String text : new String[] {"javacpp", "djl", "path:/opt/libtorch"}) {
            assertThat(LibtorchSource.parse(text)).hasToString(text);
        }
        assertThat(LibtorchSource.parse("path:/opt/libtorch").folder())
                .isEqualTo(Path.of("/opt/libtorch"));
        assertThatThrownBy(() -> LibtorchSource.parse("cuda"))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "yoloddp.libtorch is 'cuda'; allowed are javacpp, djl and path:/folder");
    }

    @Test
    void mappedFilesAreListedOnce() {
        MappedLibraries mapped =
                MappedLibraries.parse(
                        Stream.of(
                                "7f00-7f01 r-xp 00000000 08:01 42  /a b/lib/libtorch_cpu.so",
                                "7f01-7f02 rw-p 00001000 08:01 42  /a b/lib/libtorch_cpu.so",
                                "7f02-7f03 rw-p 00000000 00:00 0 ",
                                "7f03-7f04 r--p 00000000 08:01 43  /c/0.35.1-libdjl_torch.so",
                                "7f04-7f05 r--p 00000000 08:01 44  /c/file.txt"));
        assertThat(mapped.named("libtorch_cpu.so"))
                .containsExactly(Path.of("/a b/lib/libtorch_cpu.so"));
        assertThat(mapped.first("libdjl_torch")).isEqualTo(Path.of("/c/0.35.1-libdjl_torch.so"));
        assertThat(mapped.first("libgone")).isNull();
    }

    @Test
    void allocatorIsAsRecommendedOrReplaced() {
        Map<String, String> environment = new HashMap<>(AllocatorSettings.recommended());
        assertThat(AllocatorSettings.of(environment).asRecommended()).isTrue();
        environment.remove("MALLOC_ARENA_MAX");
        assertThat(AllocatorSettings.of(environment).asRecommended()).isFalse();
        environment.put("LD_PRELOAD", "/usr/lib/libjemalloc.so.2");
        assertThat(AllocatorSettings.of(environment).asRecommended()).isTrue();
        assertThat(AllocatorSettings.of(Map.of()).values())
                .containsOnlyKeys(
                        "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_");
    }

    @Test
    void versionsOfDifferentReleasesAreBothNamed() {
        assertThat(NativeLibraryException.versionsDisagree("a", "2.7.1-1.5.12", "b", "2.5.1-0.33"))
                .hasMessage(
                        "a is of version 2.7.1-1.5.12 and b of version 2.5.1-0.33, which are for"
                                + " different releases of libtorch; use the versions that"
                                + " yolo-ddp-core declares");
    }

    @Test
    void propertiesComeBack() {
        System.setProperty("yoloddp.test.kept", "old");
        try (PropertyScope scope = new PropertyScope()) {
            scope.set("yoloddp.test.kept", "new");
            scope.set("yoloddp.test.kept", "newer");
            scope.set("yoloddp.test.made", "x");
            scope.setDefault("yoloddp.test.kept", "not taken");
            assertThat(System.getProperty("yoloddp.test.kept")).isEqualTo("newer");
        }
        assertThat(System.getProperty("yoloddp.test.kept")).isEqualTo("old");
        assertThat(System.getProperty("yoloddp.test.made")).isNull();
        System.clearProperty("yoloddp.test.kept");
    }
}
