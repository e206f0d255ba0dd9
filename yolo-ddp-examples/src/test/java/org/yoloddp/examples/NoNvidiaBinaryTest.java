package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The library and the program bring no binary of NVIDIA's, whose licences don't let everybody pass
 * them on: neither as a file nor within a jar. JavaCPP's own parts, whose names begin with libjni,
 * call them only.
 */
class NoNvidiaBinaryTest {

    private static final Pattern NVIDIA =
            Pattern.compile(
                    "(lib)?(nccl|cud|cublas|cufft|cufile|curand|cusolver|cusparse|cupti|nv|npp)"
                            + "[^/]*\\.(so|dll|dylib|a)(\\.[0-9.]+)?");

    @TempDir private Path folder;

    /** The jars of the class path are those that the program's folder lib gets, and the tests'. */
    @Test
    void noJarHoldsOne() throws IOException {
        List<Path> jars =
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .map(Path::of)
                        .toList();
        assertThat(jars)
                .anySatisfy(jar -> assertThat(jar.toString()).matches(".*cuda.*linux-x86_64.*"));
        assertThat(found(jars)).isEmpty();
    }

    /** What else the program consists of; and the whole of it where it has been assembled. */
    @Test
    void noFileIsOne() throws IOException {
        assertThat(found(List.of(Path.of("src", "main"), Path.of("target", "yolo-ddp")))).isEmpty();
    }

    @Test
    void oneWouldBeFound() throws IOException {
        Files.createDirectories(folder.resolve("lib"));
        Files.writeString(folder.resolve("lib").resolve("libcudart.so.12"), "");
        Path jar = folder.resolve("a.jar");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
            zip.putNextEntry(new ZipEntry("org/a/libnccl.so.2"));
            zip.putNextEntry(new ZipEntry("org/a/libjninccl.so"));
            zip.putNextEntry(new ZipEntry("org/a/nvrtc64_120_0.dll"));
            zip.putNextEntry(new ZipEntry("org/a/nccl/Nccl.class"));
            zip.putNextEntry(new ZipEntry("inner.jar"));
            zip.write(innerJar());
        }
        assertThat(found(List.of(folder)))
                .containsExactlyInAnyOrder(
                        folder.resolve("lib").resolve("libcudart.so.12").toString(),
                        jar + "!org/a/libnccl.so.2",
                        jar + "!org/a/nvrtc64_120_0.dll",
                        jar + "!inner.jar!libcublasLt.so.12");
    }

    private static byte[] innerJar() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes, StandardCharsets.UTF_8)) {
            zip.putNextEntry(new ZipEntry("libcublasLt.so.12"));
        }
        return bytes.toByteArray();
    }

    private static List<String> found(List<Path> places) throws IOException {
        List<String> found = new ArrayList<>();
        for (Path place : places) {
            if (!Files.exists(place)) {
                continue;
            }
            try (Stream<Path> files = Files.walk(place)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    look(file.toString(), file.getFileName().toString(), found);
                    if (file.toString().endsWith(".jar")) {
                        try (InputStream in = Files.newInputStream(file)) {
                            lookInto(file.toString(), in, found);
                        }
                    }
                }
            }
        }
        return found;
    }

    private static void lookInto(String jar, InputStream in, List<String> found)
            throws IOException {
        ZipInputStream zip = new ZipInputStream(in, StandardCharsets.UTF_8);
        for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
            String name = entry.getName();
            look(jar + "!" + name, name.substring(name.lastIndexOf('/') + 1), found);
            if (name.endsWith(".jar")) {
                lookInto(jar + "!" + name, zip, found);
            }
        }
    }

    private static void look(String where, String name, List<String> found) {
        if (NVIDIA.matcher(name).matches()) {
            found.add(where);
        }
    }
}
