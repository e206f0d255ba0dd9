package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * Libraries with the functions of the driver, CUDA's runtime and NCCL, which do nothing but answer
 * how a test needs it. They are compiled by gcc, and named so that nobody takes them for the
 * originals.
 */
final class NativeStubs {

    private final Path folder;

    NativeStubs(Path folder) {
        this.folder = folder;
    }

    /** Skips a test where there is no compiler. */
    static void assumeGcc() {
        Assumptions.assumeTrue(
                runs("gcc", "--version"), "gcc is not here, which compiles stubs of the libraries");
    }

    private static boolean runs(String... command) {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** A driver without a function, as the real one looks to who only links against it. */
    Path driver() throws Exception {
        return compile("libcuda.so.1", "int yoloddp_stub_of_the_driver;\n", false);
    }

    /** A runtime that counts devices. */
    Path cudart(String soname, int version, int code, int devices, CudaFunction... without)
            throws Exception {
        StringBuilder source = new StringBuilder("/* stub of a test, not CUDA */\n");
        for (CudaFunction function : CudaFunction.values()) {
            if (List.of(without).contains(function)) {
                continue;
            }
            source.append(
                    switch (function) {
                        case RUNTIME_GET_VERSION, DRIVER_GET_VERSION ->
                                asks(function.symbol(), version, 0);
                        case GET_DEVICE_COUNT -> asks(function.symbol(), devices, code);
                        case GET_ERROR_NAME, GET_ERROR_STRING ->
                                "const char *"
                                        + function.symbol()
                                        + "(int e) { return \"stub error\"; }\n";
                        case DEVICE_GET_PCI_BUS_ID ->
                                "int "
                                        + function.symbol()
                                        + "(char *id, int n, int d) { __builtin_snprintf(id, n,"
                                        + " \"0000:%02X:00.0\", d); return 0; }\n";
                        case DEVICE_CAN_ACCESS_PEER ->
                                "int "
                                        + function.symbol()
                                        + "(int *can, int a, int b) { *can = a + b == 1; return 0;"
                                        + " }\n";
                        default -> "int " + function.symbol() + "(void) { return 999; }\n";
                    });
        }
        return compile(soname, source.toString(), true);
    }

    /** An NCCL that knows its version, and lacks some functions. */
    Path nccl(int version, NcclFunction... without) throws Exception {
        return nccl("libnccl.so.2", version, without);
    }

    /** The same under another name, as DJL's libtorch for CUDA has NCCL within. */
    Path nccl(String soname, int version, NcclFunction... without) throws Exception {
        StringBuilder source = new StringBuilder("/* stub of a test, not NCCL */\n");
        for (NcclFunction function : NcclFunction.values()) {
            if (function.since() > version || List.of(without).contains(function)) {
                continue;
            }
            source.append(
                    switch (function) {
                        case GET_VERSION -> asks(function.symbol(), version, 0);
                        case GET_ERROR_STRING ->
                                "const char *ncclGetErrorString(int e) { return \"stub error\"; }\n";
                        case GET_LAST_ERROR ->
                                "const char *ncclGetLastError(void *c) { return \"the stub's last words\"; }\n";
                        default -> "int " + function.symbol() + "(void) { return 3; }\n";
                    });
        }
        return compile(soname, source.toString(), false);
    }

    /** A libtorch for CUDA without NCCL, as pip's is. */
    Path torch() throws Exception {
        return compile("libtorch_cuda.so", "int yoloddp_stub_of_torch;\n", false);
    }

    private static String asks(String function, int value, int code) {
        return "int " + function + "(int *v) { *v = " + value + "; return " + code + "; }\n";
    }

    /** The test double of a library, from the C file of this module's tests; NCCL's last. */
    Path doubleOf(String soname, String source) throws Exception {
        Path library = folder.resolve(soname);
        List<String> command =
                new ArrayList<>(List.of("gcc", "-O1", "-shared", "-fPIC", "-w", "-pthread"));
        command.add("-Wl,-soname," + soname);
        if (soname.startsWith("libcudart")) {
            command.add("-Wl,--version-script=" + versions(soname));
        }
        command.addAll(List.of("-o", library.toString()));
        command.add(Path.of("src/test/c", source).toString());
        if (soname.startsWith("libnccl")) {
            command.add(folder.resolve("libcudart.so.12").toString());
        }
        assertThat(runs(command.toArray(new String[0]))).as("%s", command).isTrue();
        return library;
    }

    /** DJL renames the file, and the name within, but not the version of the functions. */
    private Path versions(String soname) throws IOException {
        String version = soname.replaceFirst("-[0-9a-f]+", "");
        return Files.writeString(folder.resolve(soname + ".map"), version + " { global: *; };\n");
    }

    /** CUDA's runtime has its name as the version of its functions, and is linked against so. */
    private Path compile(String soname, String source, boolean versions) throws Exception {
        Path c = folder.resolve(soname + ".c");
        Path library = folder.resolve(soname);
        Files.writeString(c, source);
        List<String> command =
                new ArrayList<>(List.of("gcc", "-shared", "-fPIC", "-w", "-Wl,-soname," + soname));
        if (versions) {
            command.add("-Wl,--version-script=" + versions(soname));
        }
        command.addAll(List.of("-o", library.toString(), c.toString()));
        assertThat(runs(command.toArray(new String[0]))).as("%s", command).isTrue();
        return library;
    }
}
