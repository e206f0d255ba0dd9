package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * Runs the program over the test doubles of CUDA and NCCL, which the nccl module's tests bring as C
 * files: the whole way of a command, on pretended GPUs. No kernel runs, and no NCCL.
 */
final class GpuDouble {

    private static final Path SOURCES = Path.of("..", "yolo-ddp-nccl", "src", "test", "c");
    private static final int LIMIT_SECONDS = 300;

    /**
     * How a run ended.
     *
     * @param exitCode the process's
     * @param out its output
     * @param err its errors
     */
    record Result(int exitCode, String out, String err) {}

    private final Path folder;
    private final List<String> options = new ArrayList<>();
    private final Map<String, String> environment = new HashMap<>();

    /** Compiles the doubles; skips the test where there is no gcc. */
    GpuDouble(Path folder) throws Exception {
        this.folder = folder;
        Assumptions.assumeTrue(
                runs("gcc", "--version"),
                "gcc is not here, which compiles the test doubles of CUDA and NCCL");
        Path driver = folder.resolve("libcuda.so.1");
        Path cudart = folder.resolve("libcudart.so.12");
        Path nccl = folder.resolve("libnccl.so.2");
        Path map = folder.resolve("libcudart.so.12.map");
        Files.writeString(map, "libcudart.so.12 { global: *; };\n");
        compile(driver, "-Wl,-soname,libcuda.so.1", SOURCES.resolve("cuda_stub.c").toString());
        compile(
                cudart,
                "-Wl,-soname,libcudart.so.12",
                "-Wl,--version-script=" + map,
                SOURCES.resolve("cudart_test_double.c").toString());
        compile(
                nccl,
                "-Wl,-soname,libnccl.so.2",
                SOURCES.resolve("nccl_test_double.c").toString(),
                cudart.toString());
        options.add("-Dyoloddp.nccl.driver=" + driver);
        options.add("-Dyoloddp.nccl.cudart=" + cudart);
        options.add("-Dyoloddp.nccl.library=" + nccl);
        environment.put("CUDA_MODULE_LOADING", "EAGER");
        // Copies that take no time: what is measured here is nothing.
        environment.put("YOLODDP_TEST_DOUBLE_DELAY_US", "1");
        environment.put("YOLODDP_TEST_DOUBLE_LAUNCH_US", "1");
        environment.put("YOLODDP_TEST_DOUBLE_DEVICES", "2");
    }

    GpuDouble with(String name, String value) {
        environment.put(name, value);
        return this;
    }

    private static void compile(Path library, String... arguments) {
        List<String> command =
                new ArrayList<>(List.of("gcc", "-O1", "-shared", "-fPIC", "-w", "-pthread"));
        command.addAll(List.of("-o", library.toString()));
        command.addAll(List.of(arguments));
        assertThat(runs(command.toArray(String[]::new))).as("%s", command).isTrue();
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

    /** Runs the program in a JVM of its own, as its environment can't be changed otherwise. */
    Result run(String... arguments) throws Exception {
        return run(folder, options, environment, LIMIT_SECONDS, arguments);
    }

    /** The same with nothing pretended. */
    static Result run(
            Path folder,
            List<String> options,
            Map<String, String> environment,
            int limitSeconds,
            String... arguments)
            throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-Dyoloddp.home=src/main"));
        command.addAll(options);
        command.addAll(
                List.of("-cp", System.getProperty("java.class.path"), YoloDdp.class.getName()));
        command.addAll(List.of(arguments));
        Path out = Files.createTempFile(folder, "out", "");
        Path err = Files.createTempFile(folder, "err", "");
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .redirectInput(ProcessBuilder.Redirect.PIPE)
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        boolean ended = process.waitFor(limitSeconds, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly();
        }
        String errors = Files.readString(err, StandardCharsets.UTF_8);
        assertThat(ended).as("not over after %s s: %s", limitSeconds, errors).isTrue();
        return new Result(
                process.exitValue(), Files.readString(out, StandardCharsets.UTF_8), errors);
    }
}
