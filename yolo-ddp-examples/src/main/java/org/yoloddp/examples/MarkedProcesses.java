package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All processes that were started, however indirectly, with a mark in their environment: also those
 * whose parents are gone, and those in sessions of their own. Linux only, by {@code /proc}.
 *
 * <p>The environment of a process goes with its memory, when its first thread ends; its files and
 * sockets go only with its last thread, which on a busy machine can be a good deal later. So there
 * is a time when a process is no longer alive, but has not ended.
 */
final class MarkedProcesses {

    /** The environment variable with the mark. */
    static final String VARIABLE = "YOLODDP_BENCH_MARK";

    private static final Path PROC = Path.of("/proc");
    private static final Pattern SOCKET = Pattern.compile("socket:\\[(\\d+)]");
    private static final String LISTENING = "0A";
    private static final int LOCAL = 1;
    private static final int STATE = 3;
    private static final int INODE = 9;

    /** Of stat, behind the name, from 0. */
    private static final int START_TIME = 19;

    /**
     * One of them.
     *
     * @param pid its number
     * @param environment its variables
     */
    record Marked(long pid, Map<String, String> environment) {

        /** Which rank it is; empty if it is none. */
        Optional<Integer> rank() {
            return Optional.ofNullable(environment.get("RANK")).map(Integer::valueOf);
        }

        /** Of which start of the ranks it is; -1 if it is no rank. */
        int generation() {
            return Integer.parseInt(environment.getOrDefault("YOLODDP_GENERATION", "-1"));
        }
    }

    private final String mark = UUID.randomUUID().toString();
    private final Map<Long, String> seen = new LinkedHashMap<>();
    private final Map<String, String> listened = new HashMap<>();

    /** What to put into the environment. */
    String mark() {
        return mark;
    }

    static boolean isPossible() {
        return Files.isReadable(PROC.resolve("self/environ"));
    }

    /** Those that are alive, also if stopped. */
    List<Marked> alive() {
        List<Marked> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(PROC, "[0-9]*")) {
            for (Path entry : entries) {
                Map<String, String> environment = environment(entry.resolve("environ"));
                if (mark.equals(environment.get(VARIABLE))) {
                    found.add(
                            new Marked(
                                    Long.parseLong(entry.getFileName().toString()), environment));
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            throw new IllegalStateException("/proc cannot be read", e);
        }
        for (Marked process : found) {
            // Numbers are used again.
            stat(process.pid()).ifPresent(stat -> seen.put(process.pid(), stat[START_TIME]));
        }
        return found;
    }

    /** The numbers of those that were ever found alive, and have not ended wholly. */
    List<Long> unended() {
        return seen.entrySet().stream()
                .filter(entry -> !hasEnded(entry.getKey(), entry.getValue()))
                .map(Map.Entry::getKey)
                .toList();
    }

    private static boolean hasEnded(long pid, String startTime) {
        Optional<String[]> stat = stat(pid);
        if (stat.isEmpty() || !stat.get()[START_TIME].equals(startTime)) {
            return true;
        }
        try (Stream<Path> threads = Files.list(PROC.resolve(pid + "/task"))) {
            return stat.get()[0].equals("Z") && threads.count() == 1;
        } catch (IOException e) {
            return true;
        }
    }

    /** What the system tells of a process behind its name; empty if it is gone. */
    private static Optional<String[]> stat(long pid) {
        try {
            String stat = Files.readString(PROC.resolve(pid + "/stat"));
            return Optional.of(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** A zombie has no environment, and so has a process that is just gone. */
    private static Map<String, String> environment(Path file) {
        Map<String, String> map = new HashMap<>();
        try {
            String all = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
            for (String entry : all.split("\0", -1)) {
                int equals = entry.indexOf('=');
                if (equals > 0) {
                    map.put(entry.substring(0, equals), entry.substring(equals + 1));
                }
            }
        } catch (IOException e) {
            return Map.of(); // gone, or somebody else's
        }
        return map;
    }

    /** The numbers of all that were ever found alive. */
    Set<Long> seen() {
        return Set.copyOf(seen.keySet());
    }

    /** Remembers on which ports they listen now. */
    void noteListening(List<Marked> processes) {
        Map<String, String> all = listening();
        for (Marked process : processes) {
            Path files = PROC.resolve(Long.toString(process.pid())).resolve("fd");
            try (Stream<Path> links = Files.list(files)) {
                for (Path link : links.toList()) {
                    Matcher socket = SOCKET.matcher(Files.readSymbolicLink(link).toString());
                    String port = socket.matches() ? all.get(socket.group(1)) : null;
                    if (port != null) {
                        listened.put(socket.group(1), port);
                    }
                }
            } catch (IOException e) {
                continue; // the process or its file is gone
            }
        }
    }

    /** How many sockets were found that they listened on. */
    int listened() {
        return listened.size();
    }

    /** Ports of theirs on which somebody still listens, by the same socket. */
    List<String> leftPorts() {
        Map<String, String> all = listening();
        return listened.keySet().stream().filter(all::containsKey).map(listened::get).toList();
    }

    /** Addresses that are listened on, by the socket's inode. */
    private static Map<String, String> listening() {
        Map<String, String> found = new HashMap<>();
        for (String table : List.of("net/tcp", "net/tcp6")) {
            try {
                for (String line : Files.readAllLines(PROC.resolve(table))) {
                    String[] fields = line.strip().split("\\s+", -1);
                    if (fields.length > INODE && fields[STATE].equals(LISTENING)) {
                        String port = fields[LOCAL].substring(fields[LOCAL].lastIndexOf(':') + 1);
                        found.put(fields[INODE], Integer.toString(Integer.parseInt(port, 16)));
                    }
                }
            } catch (IOException e) {
                continue; // no IPv6 here
            }
        }
        return found;
    }

    /** Sends a signal by its name to several at once; those that are gone are left out. */
    static void signal(String name, List<Long> pids) {
        List<String> command = new ArrayList<>(List.of("kill", "-" + name));
        pids.forEach(pid -> command.add(Long.toString(pid)));
        Shell.ask(command.toArray(String[]::new));
    }

    /** The stacks of a JVM that hangs; empty if it does not answer, as one that is stopped. */
    static String stacks(long pid) {
        return Shell.ask("jstack", Long.toString(pid))
                .orElse("process " + pid + " gives no stacks\n");
    }
}
