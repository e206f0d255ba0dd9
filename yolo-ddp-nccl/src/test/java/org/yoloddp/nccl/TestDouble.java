package org.yoloddp.nccl;

import java.nio.file.Files;
import java.nio.file.Path;

/** Lets this JVM work over the test double in place of NCCL and CUDA, on host memory. */
public final class TestDouble {

    private static boolean used;

    private TestDouble() {}

    /** Compiles the double and names it to the provider; skips the test where there is no gcc. */
    public static synchronized NcclProvider provider() throws Exception {
        NativeStubs.assumeGcc();
        if (!used) {
            Path folder =
                    Files.createDirectories(Path.of("target", "test-double").toAbsolutePath());
            NativeStubs stubs = new NativeStubs(folder);
            System.setProperty(
                    "org.bytedeco.javacpp.cachedir", folder.resolve("javacpp").toString());
            System.setProperty(NcclOptions.DRIVER, stubs.driver().toString());
            System.setProperty(
                    NcclOptions.CUDART,
                    stubs.doubleOf("libcudart.so.12", "cudart_test_double.c").toString());
            System.setProperty(
                    NcclOptions.LIBRARY,
                    stubs.doubleOf("libnccl.so.2", "nccl_test_double.c").toString());
            System.setProperty(NcclProvider.HOST_BUFFERS, "true");
            used = true;
        }
        return new NcclProvider();
    }
}
