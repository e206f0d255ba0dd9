package org.yoloddp.examples;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.rendezvous.TlsOptions;

/** Looks at the machine with the eyes of a training. */
final class Doctor {

    private Doctor() {}

    static List<Finding> examine() {
        List<Finding> findings = new ArrayList<>();
        findings.add(java());
        findings.add(cores());
        findings.add(memory());
        findings.add(cache());
        findings.addAll(NativeFindings.examine());
        findings.addAll(GpuFindings.examine());
        findings.add(environment(System.getenv()));
        findings.add(tls(System.getenv()));
        findings.add(data());
        return findings;
    }

    private static Finding java() {
        String version = System.getProperty("java.version");
        String text =
                version
                        + " ("
                        + System.getProperty("java.vendor")
                        + ") at "
                        + System.getProperty("java.home");
        return Finding.ok("Java", text);
    }

    private static Finding cores() {
        int cores = Runtime.getRuntime().availableProcessors();
        return Finding.ok("cores", cores + (cores == 1 ? " (more train faster)" : ""));
    }

    private static Finding memory() {
        OperatingSystemMXBean system =
                ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long total = system.getTotalMemorySize();
        String text =
                String.format(
                        Locale.ROOT,
                        "%.1f GB, %.1f GB free; Java heap at most %.1f GB, arrays live outside it",
                        total / 1e9,
                        system.getFreeMemorySize() / 1e9,
                        Runtime.getRuntime().maxMemory() / 1e9);
        return total >= 4e9
                ? Finding.ok("memory", text)
                : Finding.warning("memory", text + "; yolov5n at 320 px wants 4 GB");
    }

    private static Finding cache() {
        Path folder =
                Path.of(
                        System.getProperty(
                                "org.bytedeco.javacpp.cachedir",
                                System.getProperty("user.home") + "/.javacpp/cache"));
        Path existing = folder.toAbsolutePath();
        while (!Files.exists(existing)) {
            existing = existing.getParent();
        }
        long free = existing.toFile().getUsableSpace();
        if (!Files.isWritable(existing)) {
            return Finding.missing(
                    "cache",
                    existing
                            + " can't be written; give another folder by"
                            + " JAVA_OPTS=-Dorg.bytedeco.javacpp.cachedir=FOLDER");
        }
        String text =
                String.format(
                        Locale.ROOT,
                        "natives are unpacked to %s (about 0.6 GB), %.1f GB free",
                        folder,
                        free / 1e9);
        return free > 1e9 || Files.exists(folder)
                ? Finding.ok("cache", text)
                : Finding.missing("cache", text + "; make room");
    }

    /** Which launcher or cluster this process belongs to, and why. */
    static Finding environment(Map<String, String> variables) {
        String subject = "environment";
        try {
            return Finding.info(subject, ClusterEnvironments.find(variables).describe());
        } catch (ConfigurationException e) {
            return Finding.warning(subject, e.getMessage());
        }
    }

    /** Whether ranks that are processes would encrypt what they tell each other, and by what. */
    static Finding tls(Map<String, String> variables) {
        String subject = "TLS";
        try {
            TlsOptions options = TlsOptions.fromEnvironment(variables);
            return options.isOn()
                    ? Finding.ok(subject, options.describe())
                    : Finding.info(
                            subject,
                            "off, "
                                    + TlsOptions.TRUST_VARIABLE
                                    + " is not set: the store of ranks that are processes is not"
                                    + " encrypted");
        } catch (ConfigurationException e) {
            return Finding.missing(subject, e.getMessage());
        }
    }

    private static Finding data() {
        Path bundled = Home.bundledData();
        return Files.isRegularFile(bundled)
                ? Finding.ok("data", bundled + " for quickstart")
                : Finding.warning(
                        "data",
                        bundled
                                + " is not there, quickstart needs it; build the program by 'mvn"
                                + " -DskipTests package'");
    }
}
