package org.yoloddp.nccl;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Puts the test double in the place of NCCL and CUDA, on host memory. */
public final class TestDouble {

    private static final Path FOLDER = Path.of("target", "test-double").toAbsolutePath();

    private static Map<String, String> properties = Map.of();

    private TestDouble() {}

    /** Names the double to the provider of this JVM; skips the test where there is no gcc. */
    public static synchronized NcclProvider provider() throws Exception {
        System.setProperty("org.bytedeco.javacpp.cachedir", FOLDER.resolve("javacpp").toString());
        compiled().forEach(System::setProperty);
        return new NcclProvider();
    }

    /**
     * The options of another JVM that lets it work over the double; skips the test where there is
     * no gcc.
     */
    public static List<String> options() throws Exception {
        return compiled().entrySet().stream()
                .map(property -> "-D" + property.getKey() + "=" + property.getValue())
                .toList();
    }

    /** The command of a small JVM that works over the double; skips as {@link #options} does. */
    static List<String> command(Class<?> main, String... arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx128m", "-XX:TieredStopAtLevel=1"));
        command.addAll(options());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return command;
    }

    /** Compiles the double once, and returns the system properties that name it. */
    private static synchronized Map<String, String> compiled() throws Exception {
        NativeStubs.assumeGcc();
        if (properties.isEmpty()) {
            NativeStubs stubs = new NativeStubs(Files.createDirectories(FOLDER));
            Map<String, String> made = new LinkedHashMap<>();
            made.put(NcclOptions.DRIVER, stubs.driver().toString());
            made.put(
                    NcclOptions.CUDART,
                    stubs.doubleOf("libcudart.so.12", "cudart_test_double.c").toString());
            made.put(
                    NcclOptions.LIBRARY,
                    stubs.doubleOf("libnccl.so.2", "nccl_test_double.c").toString());
            made.put(NcclProvider.HOST_BUFFERS, "true");
            properties = made;
        }
        return properties;
    }
}
