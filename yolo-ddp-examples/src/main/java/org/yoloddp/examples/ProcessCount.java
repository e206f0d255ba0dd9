package org.yoloddp.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.yoloddp.error.ConfigurationException;

/**
 * How many processes a node gets, as torchrun's {@code --nproc-per-node} says it: a number, {@code
 * gpu} for the GPUs that CUDA shows here, {@code cpu} for the cores, {@code auto} for the GPUs or,
 * where there are none, the cores. GPUs are counted without loading CUDA, which belongs to the
 * ranks: those of CUDA_VISIBLE_DEVICES, else those of the driver.
 */
final class ProcessCount {

    private static final Path DRIVER = Path.of("/proc/driver/nvidia/gpus");

    private final Map<String, String> environment;
    private final Path driver;
    private final Supplier<Optional<String>> list;
    private final int cores;

    /**
     * @param environment of this process
     * @param driver the folder in which the driver has an entry for each GPU
     * @param list what {@code nvidia-smi -L} prints, a line for each GPU
     * @param cores of this machine
     */
    ProcessCount(
            Map<String, String> environment,
            Path driver,
            Supplier<Optional<String>> list,
            int cores) {
        this.environment = environment;
        this.driver = driver;
        this.list = list;
        this.cores = cores;
    }

    /** What this machine has. */
    static ProcessCount ofThisMachine() {
        return new ProcessCount(
                System.getenv(),
                DRIVER,
                () -> Shell.ask("nvidia-smi", "-L"),
                Runtime.getRuntime().availableProcessors());
    }

    /**
     * Reads a number of processes.
     *
     * @throws ConfigurationException if it is none, or there are no GPUs where some are asked for
     */
    int parse(String text) {
        switch (text) {
            case "gpu" -> {
                int gpus = gpus();
                if (gpus == 0) {
                    throw new ConfigurationException(
                            "--nproc-per-node=gpu finds no GPU on this node: see nvidia-smi and"
                                    + " CUDA_VISIBLE_DEVICES, or give a number or 'auto'");
                }
                return gpus;
            }
            case "cpu" -> {
                return cores;
            }
            case "auto" -> {
                int gpus = gpus();
                return gpus > 0 ? gpus : cores;
            }
            default -> {
                if (!text.matches("\\d{1,5}")) {
                    throw new ConfigurationException(
                            "--nproc-per-node is '"
                                    + text
                                    + "', but has to be a number, 'gpu', 'cpu' or 'auto'");
                }
                return Integer.parseInt(text);
            }
        }
    }

    private int gpus() {
        int present = present();
        String visible = environment.get("CUDA_VISIBLE_DEVICES");
        if (visible == null || present == 0) {
            return present;
        }
        int shown = 0;
        for (String device : visible.split(",", -1)) {
            String name = device.strip();
            boolean number = name.matches("\\d{1,5}");
            if (name.isEmpty()
                    || name.startsWith("-")
                    || number && Integer.parseInt(name) >= present) {
                break; // CUDA shows none of those that follow
            }
            shown++;
        }
        return shown;
    }

    private int present() {
        if (Files.isDirectory(driver)) {
            try (Stream<Path> entries = Files.list(driver)) {
                return (int) entries.count();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return (int)
                list.get().stream()
                        .flatMap(String::lines)
                        .filter(line -> line.startsWith("GPU "))
                        .count();
    }
}
