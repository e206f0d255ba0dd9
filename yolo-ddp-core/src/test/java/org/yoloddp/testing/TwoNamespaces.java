package org.yoloddp.testing;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Two hosts on one machine: network namespaces joined by a veth pair, each with a host name and a
 * {@code /dev/shm} of its own, so that processes of different hosts have no memory in common. Needs
 * Linux, root and {@code ip}. Not thread-safe.
 */
public final class TwoNamespaces implements AutoCloseable {

    private static final String NETWORK = "10.211.0.";

    private final String name = "yd" + ProcessHandle.current().pid() % 1_000_000;
    private @Nullable SlowPath slow;

    /** Says why this machine cannot have them, if it can't. */
    public static Optional<String> missing() {
        if (!Files.isDirectory(Path.of("/proc/self/ns"))) {
            return Optional.of("network namespaces are Linux's");
        }
        for (String[] need :
                new String[][] {
                    {"ip", "-V"}, {"tc", "-V"}, {"unshare", "-V"},
                }) {
            if (exitCode(need) != 0) {
                return Optional.of("there is no program '" + need[0] + "'");
            }
        }
        return exitCode("unshare", "--net", "--uts", "--mount", "true") == 0
                ? Optional.empty()
                : Optional.of("only root may make network namespaces");
    }

    /** Says why packets cannot be delayed, if they can't. */
    public static Optional<String> cannotDelay() {
        return Files.isWritable(Path.of("/dev/net/tun"))
                ? Optional.empty()
                : Optional.of("there is no /dev/net/tun");
    }

    public TwoNamespaces() {
        try {
            ip("netns", "add", namespace(0));
            ip("netns", "add", namespace(1));
            ip(
                    ("link add "
                                    + veth()
                                    + " netns "
                                    + namespace(0)
                                    + " type veth peer name "
                                    + veth()
                                    + " netns "
                                    + namespace(1))
                            .split(" "));
            for (int host = 0; host < 2; host++) {
                ip("-n", namespace(host), "link", "set", "lo", "up");
                ip("-n", namespace(host), "addr", "add", address(host) + "/24", "dev", veth());
                ip("-n", namespace(host), "link", "set", veth(), "up");
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private String namespace(int host) {
        return name + "-" + host;
    }

    private String veth() {
        return name + "v";
    }

    private String tun(int host) {
        return name + "t" + host;
    }

    /** The address of a host. */
    public String address(int host) {
        return NETWORK + (host + 1);
    }

    /** The command that runs another one on a host; its process becomes that of the other. */
    public List<String> on(int host, List<String> command) {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "ip",
                                "netns",
                                "exec",
                                namespace(host),
                                "unshare",
                                "--uts",
                                "sh",
                                "-c",
                                "echo "
                                        + namespace(host)
                                        + " > /proc/sys/kernel/hostname"
                                        + " && mount -t tmpfs -o size=256m tmpfs /dev/shm"
                                        + " && exec \"$@\"",
                                "sh"));
        words.addAll(command);
        return words;
    }

    /** Lets nothing through, as if the cable were pulled; no host is told. */
    public void cut() {
        ip("-n", namespace(0), "link", "set", veth(), "down");
    }

    /** Plugs the cable in again. */
    public void mend() {
        ip("-n", namespace(0), "link", "set", veth(), "up");
    }

    /** Lets so many bits through in a second, in each direction. */
    public void limit(int megabits) {
        for (int host = 0; host < 2; host++) {
            run(
                    ("tc -n "
                                    + namespace(host)
                                    + " qdisc add dev "
                                    + veth()
                                    + " root tbf rate "
                                    + megabits
                                    + "mbit burst 32kb latency 100ms")
                            .split(" "));
        }
    }

    /** Takes the limit away; returns how often it has made a packet of the first host wait. */
    public long unlimit() {
        String told = run("tc", "-s", "-n", namespace(0), "qdisc", "show", "dev", veth());
        for (int host = 0; host < 2; host++) {
            run("tc", "-n", namespace(host), "qdisc", "del", "dev", veth(), "root");
        }
        return Long.parseLong(told.replaceAll("(?s).*overlimits (\\d+).*", "$1"));
    }

    /**
     * Delivers packets late, in each direction. Not by netem, which many kernels lack, but by
     * another way between the hosts: connections stay as they are, since addresses do.
     */
    public void delay(Duration time) {
        try {
            slow = new SlowPath(tun(0), tun(1), time);
        } catch (IOException e) {
            throw new AssertionError("no slow path", e);
        }
        for (int host = 0; host < 2; host++) {
            ip("link", "set", tun(host), "netns", namespace(host));
            ip("-n", namespace(host), "link", "set", tun(host), "up");
        }
        for (int host = 0; host < 2; host++) {
            ip(
                    "-n",
                    namespace(host),
                    "route",
                    "add",
                    address(1 - host) + "/32",
                    "dev",
                    tun(host),
                    "src",
                    address(host));
        }
    }

    /** Lets packets take the veth pair again; returns how many have taken the slow path. */
    public long undelay() {
        SlowPath path = slow;
        if (path == null) {
            return 0;
        }
        slow = null;
        for (int host = 0; host < 2; host++) {
            ip("-n", namespace(host), "link", "del", tun(host));
        }
        path.close();
        return path.packets();
    }

    /** How many bytes a host has sent over the veth pair. */
    public long sent(int host) {
        return Long.parseLong(
                run(
                                "ip",
                                "netns",
                                "exec",
                                namespace(host),
                                "cat",
                                "/sys/class/net/" + veth() + "/statistics/tx_bytes")
                        .strip());
    }

    /** The processes that run on a host. */
    public List<Long> processes(int host) {
        return run("ip", "netns", "pids", namespace(host)).lines().map(Long::parseLong).toList();
    }

    /** Kills what runs there still, and removes all. */
    @Override
    public void close() {
        for (int host = 0; host < 2; host++) {
            if (exitCode("ip", "netns", "pids", namespace(host)) == 0) {
                processes(host)
                        .forEach(
                                pid ->
                                        ProcessHandle.of(pid)
                                                .ifPresent(ProcessHandle::destroyForcibly));
            }
        }
        undelay();
        for (int host = 0; host < 2; host++) {
            exitCode("ip", "netns", "del", namespace(host));
        }
    }

    private static void ip(String... words) {
        String[] command = new String[words.length + 1];
        command[0] = "ip";
        System.arraycopy(words, 0, command, 1, words.length);
        run(command);
    }

    private static int exitCode(String... command) {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return process.waitFor(10, TimeUnit.SECONDS) ? process.exitValue() : -1;
        } catch (IOException e) {
            return -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    private static String run(String... command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String output =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(10, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError(Arrays.toString(command) + ": " + output);
            }
            return output;
        } catch (IOException e) {
            throw new AssertionError(Arrays.toString(command), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
