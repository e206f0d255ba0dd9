package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.natives.NativeLibraryException;
import org.yoloddp.natives.Natives;
import org.yoloddp.nccl.CudaException;
import org.yoloddp.nccl.NcclOptions;
import org.yoloddp.nccl.NcclReport;

/** Looks at GPUs, how they reach each other, and at NCCL; loads nothing where there are none. */
final class GpuFindings {

    private static final Pattern NVLINK = Pattern.compile("\\bNV(\\d+)\\b");

    private GpuFindings() {}

    static List<Finding> examine() {
        Optional<String> gpus =
                Shell.ask(
                                "nvidia-smi",
                                "--query-gpu=name,memory.total,driver_version",
                                "--format=csv,noheader")
                        .filter(text -> !text.isEmpty());
        if (gpus.isEmpty()) {
            return List.of(
                    Finding.info("GPUs", "none found by nvidia-smi; training runs on the CPU"));
        }
        List<Finding> findings = new ArrayList<>();
        findings.add(Finding.ok("GPUs", gpus.get().replaceAll("\\R", "; ")));
        findings.add(libtorch(Natives.isForCpuOnly()));
        findings.add(nccl());
        findings.add(nvlink(Shell.ask("nvidia-smi", "topo", "-m").orElse("")));
        findings.add(infiniband(Path.of("/sys/class/infiniband")));
        return findings;
    }

    /** Whether the libtorch can use them, and how to get one that can. */
    static Finding libtorch(boolean forCpuOnly) {
        return forCpuOnly
                ? Finding.warning(
                        "GPU libtorch",
                        "the libtorch of JavaCPP's jar is for the CPU; use"
                                + " JAVA_OPTS=-Dyoloddp.libtorch=path:FOLDER with the folder torch/lib"
                                + " of 'pip install torch==2.7.1', or -Dyoloddp.libtorch=djl, which"
                                + " downloads one (README, \"On GPUs\", has nodes without internet)")
                : Finding.ok("GPU libtorch", "not the CPU-only one of JavaCPP's jar");
    }

    private static Finding nccl() {
        try {
            return nccl(NcclReport.read(NcclOptions.defaults()));
        } catch (NativeLibraryException | CudaException e) {
            return Finding.warning("NCCL", e.getMessage());
        }
    }

    static Finding nccl(NcclReport report) {
        String peers =
                report.devices().size() < 2
                        ? ""
                        : report.withoutPeerAccess().isEmpty()
                                ? ", which reach each other's memory (P2P)"
                                : ", of which "
                                        + String.join(", ", report.withoutPeerAccess())
                                        + " reach each other through the host only (no P2P)";
        return Finding.ok(
                "NCCL",
                report.version()
                        + " from "
                        + report.library()
                        + "; CUDA "
                        + report.runtimeVersion()
                        + " from "
                        + report.runtime()
                        + ", driver for CUDA "
                        + report.driverVersion()
                        + "; GPUs at "
                        + String.join(", ", report.devices())
                        + peers);
    }

    /** What the matrix of {@code nvidia-smi topo -m} says of links between GPUs. */
    static Finding nvlink(String matrix) {
        TreeSet<Integer> links = new TreeSet<>();
        Matcher matcher = NVLINK.matcher(matrix);
        while (matcher.find()) {
            links.add(Integer.parseInt(matcher.group(1)));
        }
        return Finding.info(
                "NVLink",
                links.isEmpty()
                        ? "none between the GPUs of this host, as far as nvidia-smi tells"
                        : links.last() + " links between GPUs of this host");
    }

    /** The network cards that NCCL can use beside sockets. */
    static Finding infiniband(Path folder) {
        TreeSet<String> cards = new TreeSet<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
                entries.forEach(entry -> cards.add(entry.getFileName().toString()));
            } catch (IOException e) {
                return Finding.info("InfiniBand", folder + " cannot be read: " + e);
            }
        }
        return Finding.info(
                "InfiniBand",
                cards.isEmpty()
                        ? "no cards; between hosts NCCL uses sockets"
                        : String.join(", ", cards));
    }
}
